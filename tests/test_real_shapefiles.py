"""What real shapefiles do, point by point, and the tests that show what we do about it.

744 real files were looked at with pyogrio, fiona, geopandas and ``ogrinfo``; each line of
`POINTS` is something that they do, mostly without an error.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

#: What real files do; what we do; the tests that show it.
POINTS: dict[str, tuple[str, tuple[str, ...]]] = {
    # -- opening
    "1 the .shx is missing or lies": (
        (
            "the index is rebuilt in memory from the chain of records, not in the folder; "
            "a broken chain is told with its byte; repair writes the .shx"
        ),
        (
            "test_index.py::test_a_missing_shx_is_rebuilt_but_not_in_the_users_folder",
            "test_index.py::test_a_broken_chain_is_told_with_its_byte",
            "test_index.py::test_shape_restore_shx_of_the_users_shell_is_not_obeyed",
            "test_bad_input.py::test_missing_shx_is_rebuilt_elsewhere",
            "test_repair.py::test_each_kind_of_damage",
        ),
    ),
    "2 the .dbf or the .prj is missing": (
        "a layer without fields, and no field FID is made; the CRS is needed only by some steps",
        (
            "test_bad_input.py::test_missing_dbf_is_a_layer_without_fields",
            "test_fidelity.py::test_no_dbf_in_none_out_unless_a_field_is_added",
            "test_bad_input.py::test_missing_prj_works_until_a_step_needs_it",
            "test_crs_policy.py::test_sisters_settle_it",
            "test_crs_policy.py::test_alone_it_fails_or_is_passed_over",
            "test_crs_doctor.py::test_sisters_speak_for_theirs",
        ),
    ),
    "3 empty files, text or HTML named .shp, .prj or .cpg, zips named .shp, lengths that lie": (
        "each is refused with what it looks like; where all records are there, they are read",
        (
            "test_bad_input.py::test_broken_files",
            "test_bad_input.py::test_a_web_page_as_prj",
            "test_encoding.py::test_a_nonsense_cpg_is_told_and_the_bytes_decide",
            "test_header.py::test_what_is_no_shapefile_is_refused",
            "test_index.py::test_a_header_that_lies_hides_no_record",
            "test_crs_policy.py::test_a_default_is_for_sources_that_tell_nothing",
            "test_repair.py::test_cut_anywhere_every_whole_record_is_saved_and_no_other",
            "test_repair.py::test_a_lying_shp_header_is_made_anew",
        ),
    ),
    "4 a .dbf of 0 rows beside shapes, rows flagged as deleted": (
        "what was declared is compared with what was read; a difference fails or is counted",
        (
            "test_reader.py::test_a_count_of_0_is_not_believed_where_rows_are_there",
            "test_reader.py::test_a_dbf_of_another_length_is_refused",
            "test_fidelity.py::test_deleted_rows_are_dropped_and_counted",
        ),
    ),
    "5 upper and mixed case, blanks and non-ASCII names": (
        "members are found without minding case; GDAL never sees a user's path",
        (
            "test_bundle.py::test_upper_and_mixed_case",
            "test_bad_input.py::test_mixed_case_members",
            "test_bundle.py::test_odd_names",
        ),
    ),
    "6 junk stems: ._x.shp, __MACOSX, folders named .zip or .gdb, a .dbf alone": (
        "passed over, and told by plan and audit",
        (
            "test_discover.py::test_a_folder_is_walked_sorted_and_junk_passed_over",
            "test_bundle.py::test_a_folder_named_shp_is_no_layer",
        ),
    ),
    # -- geometry
    "7 one geometry that GEOS cannot hold: unclosed rings, lines of 1 point, rings of 2": (
        "that row is told, and cured by a step; the others are done",
        (
            "test_rings.py::test_a_line_of_one_vertex_is_lost_and_told",
            "test_rings.py::test_a_ring_is_closed_and_has_four_vertices",
            "test_defects.py::test_found_where_it_is",
            "test_defects.py::test_lines",
            "steps/test_drop_short_parts.py::test_without_it_the_row_is_rejected",
            "steps/test_close_rings.py::test_worked_case",
        ),
    ),
    "8 MultiPatch": (
        "is carried and moved as what it is",
        (
            "test_fidelity.py::test_a_multipatch_is_carried_and_moved",
            "test_formats.py::test_a_multipatch_is_read_with_gdal_and_carried",
        ),
    ),
    "9 M values": (
        "survive every step that carries or moves a row; elsewhere they are counted",
        (
            "test_fidelity.py::test_measures_survive_every_step_that_carries_or_moves_a_row",
            "test_loss_cases.py::test_z_and_m",
        ),
    ),
    "10 null geometries, also first; Polygon beside MultiPolygon": (
        "are features like all others",
        (
            "test_reader.py::test_null_shapes_have_no_part_in_the_bounds",
            "test_edges.py::test_a_window_of_nulls_in_a_layer_with_z",
        ),
    ),
    "11 invalid geometries; repairs that yield lines, points, collections": (
        "told with row and place; what does not fit the layer goes where --on-mixed says",
        (
            "steps/test_make_valid.py::test_a_polygon_that_is_a_line_is_rejected_when_written",
            "test_defects.py::test_over_real_layers_as_geos_says",
            "test_repairs.py::test_worked_case",
            "test_mixed.py::test_extract",
            "test_mixed.py::test_split",
        ),
    ),
    "12 coordinates that leave the domain of a projection": (
        "their rows are rejected with their numbers, never written as infinite",
        (
            "steps/test_reproject.py::test_rows_that_leave_the_domain_are_rejected_and_counted",
            "test_loss_cases.py::test_coordinates_outside_the_domain",
            "test_crs_policy.py::test_vertices_near_the_poles_are_counted",
        ),
    ),
    "13 results without rows, or all null": (
        "keep the type of the source",
        (
            "test_fidelity.py::test_the_shape_type_stays_where_there_is_no_row",
            "test_edges.py::test_layers_without_rows",
        ),
    ),
    # -- encoding
    "14 the encoding that GDAL reports is not the source's": (
        "it is told by the .cpg, the language byte and the bytes, and kept",
        (
            "test_encoding.py::test_who_decides",
            "test_encoding_corpus.py::test_what_comes_out_is_what_a_person_reads",
        ),
    ),
    "15 neither .cpg nor language byte": (
        "the bytes are weighed; a guess is told with how sure it is",
        (
            "test_bad_input.py::test_an_unknown_encoding_is_said_not_garbled",
            "test_encoding_doctor.py::test_hits_and_misses",
            "test_encoding_corpus.py::test_without_its_labels",
            "test_encoding_doctor.py::test_what_is_not_sure_may_fail_or_be_latin1",
        ),
    ),
    "16 the language byte 87": (
        "is cp1252, unless the bytes say otherwise",
        ("test_encoding.py::test_who_decides",),
    ),
    "17 spellings of .cpg, and web pages": (
        "every spelling seen is known; nonsense is told and does not decide",
        (
            "test_encoding.py::test_every_spelling",
            "test_encoding.py::test_a_nonsense_cpg_is_told_and_the_bytes_decide",
        ),
    ),
    "18 a .cpg or a language byte that is wrong": (
        "is doubted where the bytes contradict it",
        (
            "test_encoding.py::test_bytes_that_are_not_what_the_cpg_says_are_told",
            "test_encoding_doctor.py::test_what_a_file_says_of_itself_may_be_wrong",
        ),
    ),
    "19 field names that grow in UTF-8": (
        "the encoding is kept; names are bytes, cut at characters where they must be",
        (
            "test_header.py::test_field_names_in_gbk",
            "test_encoding.py::test_field_names_keep_their_bytes",
            "steps/test_recode.py::test_text_is_the_same_and_as_wide_as_it_needs",
        ),
    ),
    # -- attributes
    "20 dates become text, whole numbers with a null real, logicals likewise": (
        "each stays what it is",
        (
            "test_loss_cases.py::test_a_column_of_a_frame",
            "test_fidelity.py::test_carried_cells_keep_their_bytes_whatever_they_hold",
        ),
    ),
    "21 widths are lost, small decimals lose digits": (
        "carried cells are their bytes; new fields are as narrow as their values allow",
        (
            "test_fidelity.py::test_the_header_of_an_unchanged_schema_stays",
            "test_cells.py::test_a_new_field_is_as_narrow_as_its_values_allow",
            "test_cells.py::test_tiny_numbers_of_a_new_field_do_not_become_0",
        ),
    ),
    "22 two fields of one name, names with a colon": (
        "stay as they are",
        (
            "test_loss_cases.py::test_names_and_numbers_of_fields",
            "test_dbf.py::test_a_new_header_keeps_the_descriptors_of_carried_fields",
        ),
    ),
    "23 numbers that are none": (
        "concern only a run that reads them, by policy",
        (
            "test_fidelity.py::test_bad_values_become_null_or_reject_their_row_by_policy",
            "test_loss_cases.py::test_what_no_step_reads_keeps_its_bytes",
        ),
    ),
    "24 the .prj is rewritten": (
        "it is identical while the CRS is",
        (
            "test_fidelity.py::test_the_prj_is_identical_while_the_crs_is",
            "test_crs_doctor.py::test_esri_wkt_is_matched_to_its_code",
        ),
    ),
    "25 sidecars are deleted, left behind or left stale": (
        "styles and metadata travel, stale indexes do not",
        (
            "test_bad_input.py::test_sidecars_travel_and_stale_indexes_do_not",
            "test_styles.py::test_stale_indexes_never_travel",
            "test_styles.py::test_each_of_many_outputs_has_the_style",
            "test_qix.py::test_gdal_uses_it_and_finds_the_same",
        ),
    ),
    # -- zips
    "26 zips with folders, several layers, none, zips in zips": (
        "each layer is a source; what is none is told",
        (
            "test_discover.py::test_the_layers_of_a_zip",
            "test_discover.py::test_a_zip_without_a_layer_is_passed_over_and_told",
            "test_discover.py::test_a_bad_zip_is_a_source_with_a_problem",
        ),
    ),
}


@lru_cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))


@pytest.mark.parametrize("point", POINTS)
def test_what_shows_it_is_there(point: str) -> None:
    what, shown = POINTS[point]
    assert what and shown
    for test in shown:
        file, _, name = test.partition("::")
        assert name in names_in(file), f"{point}: no test {test}"


def test_no_point_is_left_out() -> None:
    assert [int(point.split()[0]) for point in POINTS] == [*range(1, 27)]
