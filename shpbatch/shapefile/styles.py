"""Names of fields in styles: QGIS's ``.qml``, and ``.sld`` with ``.se`` of the OGC.

And in the descriptions of fields that FGDC metadata have (``.shp.xml``).

Where a QGIS style has names, and where expressions, is what its ``writeXml``
functions say (``src/core``: ``symbology``, ``labeling``, ``qgsdiagramrenderer``,
``vector/qgsvectorlayer``, ``qgsproperty``), of versions 2 and 3. SLD 1.0 and SE
1.1 have names in ``PropertyName``, FES 2 in ``ValueReference``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .qgis_expression import References, in_expression, in_template
from .xml_places import Change, Element, Value, changed, difference, values_of

__all__ = ["STYLES", "restyled"]

#: What a value is: the name of a field; an entry of one, which does no harm where the field
#: is gone; an expression; a name or else an expression; a text with ``[% … %]``.
_NAME, _ENTRY, _EXPRESSION, _EITHER, _TIP = "name", "entry", "expression", "either", "tip"

#: Of attributes, by element and name.
_ATTRIBUTES = {
    ("renderer-v2", "attr"): _EITHER,
    ("renderer-v2", "weight_expression"): _EITHER,
    ("renderer-v2", "labelAttributeName"): _NAME,
    ("rule", "filter"): _EXPRESSION,
    ("placement", "geometryGenerator"): _EXPRESSION,
    ("alias", "field"): _ENTRY,
    ("default", "field"): _ENTRY,
    ("default", "expression"): _EXPRESSION,
    ("constraint", "field"): _ENTRY,
    ("constraint", "exp"): _EXPRESSION,
    ("policy", "field"): _ENTRY,
    ("attributetableconfig", "sortExpression"): _EXPRESSION,
    ("fieldstyle", "fieldname"): _ENTRY,
    ("attributeEditorField", "name"): _ENTRY,
    ("attributeEditorContainer", "visibilityExpression"): _EXPRESSION,
    ("attributeEditorContainer", "collapsedExpression"): _EXPRESSION,
    ("edittype", "name"): _ENTRY,
    ("temporal", "startField"): _NAME,
    ("temporal", "endField"): _NAME,
    ("temporal", "durationField"): _NAME,
    ("temporal", "startExpression"): _EXPRESSION,
    ("temporal", "endExpression"): _EXPRESSION,
    ("actionsetting", "action"): _TIP,
    ("storedExpression", "expression"): _EXPRESSION,
}
#: Of attributes of elements that have other meanings elsewhere: within one of these.
_WITHIN = {
    ("field", "name"): (
        ("fieldConfiguration", "editable", "labelOnTop", "reuseLastValue", "fieldFlags"),
        _ENTRY,
    ),
    ("field", "expression"): (("expressionfields",), _EXPRESSION),
    ("column", "name"): (("attributetableconfig",), _ENTRY),
    ("style", "rule"): (("conditionalstyles",), _EXPRESSION),
    ("widget", "name"): (("widgets",), _ENTRY),
    ("attribute", "field"): (("DiagramCategory",), _EITHER),
}
#: Of custom properties, by their key; labels of QGIS 2 are there.
_PROPERTIES = {"dualview/previewExpressions": _EXPRESSION, "labeling/fieldName": _EITHER}
_DIAGRAM = {
    "classificationField": _EITHER,
    "classificationAttribute": _EITHER,
    "classificationAttributeExpression": _EXPRESSION,
}
#: Of texts.
_TEXTS = {
    "previewExpression": _EXPRESSION,
    "displayfield": _EITHER,
    "mapTip": _TIP,
    "orderByClause": _EXPRESSION,
    "attributeEditorTextElement": _TIP,
}
_LABEL = ("eainfo", "detailed", "attr", "attrlabl")
_NUMBER = re.compile(r"-?\d+\Z")
_SORT = re.compile(r"\s*(.*?)(?:\s+[AD])?\s*\Z", re.DOTALL)
_QML_MARKS, _SLD_MARKS = ("[%", "%]"), ("${", "}")


def restyled(data: bytes, extension: str, references: References) -> bytes:
    """A style whose names of fields are those that they have now.

    All that is no name of a field stays byte for byte.

    Parameters
    ----------
    data : bytes
    extension : str
        One of `STYLES`.
    references : References
        What the fields are named, and a count of what was found.

    Raises
    ------
    ExpatError, LookupError, ValueError
        It cannot be read, or not be changed with proof.
    """
    changes, values = [], values_of(data)
    for value in values:
        parts = STYLES[extension](value, references) if value.text else []
        if parts:
            changes.append((value, parts))
    return changed(data, values, changes) if changes else data


def _in_qml(value: Value, references: References) -> list[Change]:
    kind, text = _kind(value), value.text
    if value.element.name == "Option" and text.startswith("<symbol"):  # the line of a callout
        made = restyled(text.encode(), "qml", references).decode()
        return [difference(text, made)] if made != text else []
    if kind == _ENTRY:
        found = references.field(text)
        gone = found is not None and references.names[found] is None
        return [] if gone else _whole(text, references)
    if kind == _NAME:
        return _whole(text, references)
    if kind == _EITHER and references.field(text) is not None:
        return _whole(text, references)
    if kind in (_EITHER, _EXPRESSION):
        return in_expression(text, references)
    return in_template(text, references, _QML_MARKS) if kind == _TIP else []


def _kind(value: Value) -> str:
    """What a value of a QGIS style is; empty where it concerns no fields."""
    element, name = value.element, value.name
    if not name:
        return _of_text(element)
    key = (element.name, name)
    if key in _WITHIN:
        above, kind = _WITHIN[key]
        return kind if element.within(*above) else ""
    if key == ("text-style", "fieldName"):
        told = element.attributes.get("isExpression", "")
        return {"1": _EXPRESSION, "true": _EXPRESSION, "0": _NAME}.get(told, _EITHER)
    if name in _DIAGRAM and element.name.endswith("DiagramRenderer"):
        return "" if _NUMBER.match(value.text) else _DIAGRAM[name]
    return _ATTRIBUTES.get(key) or _of_option(element, name)


def _of_text(element: Element) -> str:
    if element.name == "value" and element.parent is not None:
        return _PROPERTIES.get(element.parent.attributes.get("key", ""), "")
    if element.name == "attribute":
        return _ENTRY if element.within("excludeAttributesWMS", "excludeAttributesWFS") else ""
    return _TEXTS.get(element.name, "")


def _of_option(element: Element, name: str) -> str:
    """What the value of a property is: data-defined ones of QGIS 3, and those of 2."""
    told = element.attributes
    if element.name == "Option" and name == "value":
        return _of_value(element, told.get("name", ""))
    if element.name == "prop" and name == "v":
        key = told.get("k", "")
        expression = key == "geometryModifier" or key.endswith("_dd_expression")
        return _EXPRESSION if expression else _NAME if key.endswith("_dd_field") else ""
    if element.name == "property" and name == "value":
        return _PROPERTIES.get(told.get("key", ""), "")
    if name == "fieldname" and element.within("labelattributes"):
        return _NAME
    if element.within("data-defined", "data_defined_properties"):
        return {"field": _NAME, "expr": _EXPRESSION}.get(name, "")
    return ""


def _of_value(element: Element, name: str) -> str:
    if name == "geometryModifier" and element.within("symbol"):
        return _EXPRESSION
    above = _options_above(element)
    if "dualview/previewExpressions" in (name, *above):
        return _EXPRESSION
    # A collection of properties is {"properties": {"size": {"type": 2, "field": …}}}. What a form
    # is configured with may name fields of another layer.
    if name in ("field", "expression") and above[1:2] == ["properties"]:
        return "" if element.within("editWidget") else _NAME if name == "field" else _EXPRESSION
    return ""


def _options_above(element: Element) -> list[str]:
    """Names of the options that one is in, from the nearest on."""
    found, at = [], element.parent
    while at is not None and at.name == "Option":
        found.append(at.attributes.get("name", ""))
        at = at.parent
    return found


def _in_sld(value: Value, references: References) -> list[Change]:
    element, text = value.element, value.text
    if value.name:
        templated = value.name == "href" and element.name == "OnlineResource"
        return in_template(text, references, _SLD_MARKS) if templated else []
    if element.name in ("PropertyName", "ValueReference"):
        return _whole(text, references)
    if element.name == "WellKnownName":
        return in_template(text, references, _SLD_MARKS)
    if element.name == "VendorOption" and element.attributes.get("name") == "sortBy":
        return _sorted(text, references)
    return []


def _in_metadata(value: Value, references: References) -> list[Change]:
    """Labels of described fields; what describes a field that is gone stays."""
    element = value.element
    label = not value.name and element.name == _LABEL[-1] and element.path()[1:] == _LABEL
    found = references.field(value.text.strip()) if label else None
    if found is None or references.names[found] is None:
        return []
    return _whole(value.text, references)


def _whole(text: str, references: References) -> list[Change]:
    """A text that is a name, blanks around it apart."""
    name = text.strip()
    new = references.new_name(name)
    at = text.index(name)
    return [] if new is None else [(at, at + len(name), new)]


def _sorted(text: str, references: References) -> list[Change]:
    """GeoServer's ``sortBy``: names, each with A or D where its order is told."""
    found, at = [], 0
    for part in text.split(","):
        name = _SORT.match(part)
        assert name is not None
        new = references.new_name(name[1])
        if new is not None:
            found.append((at + name.start(1), at + name.end(1), new))
        at += len(part) + 1
    return found


#: How values of a style are looked at, by extension.
STYLES: dict[str, Callable[[Value, References], list[Change]]] = {
    "qml": _in_qml,
    "sld": _in_sld,
    "se": _in_sld,
    "shp.xml": _in_metadata,
}
