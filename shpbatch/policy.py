"""What to do with what is bad, doubtful or does not fit: the user's answers, known before a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What to do with what is bad, doubtful or does not fit, and whether to look twice.

    Attributes
    ----------
    on_bad_record : {"fail", "skip"}
        Records whose structure is broken: the layer fails, or they are left out, counted.
    on_bad_value : {"null", "reject"}
        Cells that a step reads and that hold no value of their type.
    proof : bool
        Read back what was written.
    on_bad_feature : {"reject", "fail"}
        Features that a step cannot do: written aside, or the layer fails.
    on_loss : {"warn", "fail"}
        Values that cannot be kept as they are: told, or the layer fails.
    encoding, encoding_fallback : str or None
        Encoding of the text, whatever the sources say; or only where nothing tells it.
    on_encoding : {"guess", "fail", "latin1"}
        Text that is not ASCII and whose encoding nothing tells for sure.
    src_crs, src_crs_default : str or None
        CRS of the sources, whatever their .prj says; or only where there is none.
    on_crs : {"fail", "assign", "skip"}
        Layers without a usable CRS, where a step needs one: they fail, get the
        one that their extent and their sisters speak for, or are passed over.
    on_mixed : {"reject", "extract", "split"}
        Geometries of another dimension than the layer's: rejected, reduced to
        their parts that fit, or written to layers of their own.
    on_overflow : {"fail", "cut", "sidecar"}
        Values that are wider than a field can be: the layer fails, they are
        cut, or cut and written whole to a table beside the layer.
    on_too_large : {"fail", "split", "format"}
        Layers of more than 2 GB: they fail, become several, or a GeoPackage.
    spatial_index : bool
        Write a ``.qix``.
    repair : {"no", "structure", "valid"}
        Salvage and put in order what is damaged; ``valid``: geometries, too.
    """

    on_bad_record: Literal["fail", "skip"] = "fail"
    on_bad_value: Literal["null", "reject"] = "null"
    proof: bool = True
    on_bad_feature: Literal["reject", "fail"] = "reject"
    on_loss: Literal["warn", "fail"] = "warn"
    encoding: str | None = None
    encoding_fallback: str | None = None
    on_encoding: Literal["guess", "fail", "latin1"] = "guess"
    src_crs: str | None = None
    src_crs_default: str | None = None
    on_crs: Literal["fail", "assign", "skip"] = "fail"
    on_mixed: Literal["reject", "extract", "split"] = "reject"
    on_overflow: Literal["fail", "cut", "sidecar"] = "fail"
    on_too_large: Literal["fail", "split", "format"] = "fail"
    spatial_index: bool = False
    repair: Literal["no", "structure", "valid"] = "no"
