"""Styles follow the fields: names are changed where they are fields, and nowhere else."""

from __future__ import annotations

import re
import time
import zipfile
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

import pytest
import shapefiles as make

import shpbatch
from shpbatch.shapefile.qgis_expression import References, in_expression
from shpbatch.shapefile.styles import restyled
from shpbatch.shapefile.xml_places import changed, values_of

#: As QGIS 3.34 saves it: every place in which it names a field, and many that only look so.
QML = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.34.4-Prizren" styleCategories="AllStyleCategories" labelsEnabled="1">
 <temporal durationField="N" startField="NAME" startExpression="" mode="0" enabled="0" endField=""/>
 <renderer-v2 type="RuleRenderer" attr="NAME" forceraster="0" symbollevels="0" enableorderby="1">
  <rules key="{1e8f}">
   <rule filter="&quot;NAME&quot; = 'NAME' AND N &gt;= 10 -- N" symbol="0" key="{a}" label="NAME"/>
   <rule filter='coalesce("N", length( name ), N(1)) > @N' symbol="1" key="{b}" label="N"/>
  </rules>
  <categories><category value="NAME" symbol="0" label="NAME" render="true"/></categories>
  <symbols>
   <symbol name="NAME" type="fill" alpha="1">
    <data_defined_properties><Option type="Map">
     <Option name="name" value="" type="QString"/>
     <Option name="properties" type="Map"><Option name="alpha" type="Map">
      <Option name="active" value="true" type="bool"/>
      <Option name="field" value="N" type="QString"/>
      <Option name="type" value="2" type="int"/>
     </Option></Option>
    </Option></data_defined_properties>
    <layer class="GeometryGenerator"><Option type="Map">
     <Option name="geometryModifier" value="buffer($geometry, &quot;N&quot;)" type="QString"/>
     <Option name="name" value="NAME" type="QString"/>
    </Option></layer>
   </symbol>
  </symbols>
  <orderby><orderByClause asc="1" nullsFirst="0">"N"</orderByClause></orderby>
 </renderer-v2>
 <labeling type="simple"><settings calloutType="simple">
  <text-style fieldName="upper(&quot;NAME&quot;) || ' é ' || N" isExpression="1" fontSize="10"/>
  <dd_properties><Option type="Map"><Option name="properties" type="Map">
   <Option name="Size" type="Map">
    <Option name="expression" value="if(&quot;N&quot; > 1, 8, 9)" type="QString"/>
    <Option name="type" value="3" type="int"/>
   </Option>
  </Option></Option></dd_properties>
 </settings></labeling>
 <customproperties><Option type="Map">
  <Option name="dualview/previewExpressions" type="List"><Option value="&quot;NAME&quot;"/></Option>
  <Option name="NAME" value="NAME" type="QString"/>
 </Option></customproperties>
 <LinearlyInterpolatedDiagramRenderer classificationField="N" attributeLegend="1">
  <DiagramCategory><attribute field="&quot;N&quot;" label="N" color="#aaa"/></DiagramCategory>
 </LinearlyInterpolatedDiagramRenderer>
 <fieldConfiguration>
  <field name="NAME" configurationFlags="None"><editWidget type="ValueRelation"><config>
   <Option type="Map"><Option name="Key" value="N"/><Option name="FilterExpression" value="N=1"/>
   </Option></config></editWidget></field>
  <field name="N" configurationFlags="None"/>
 </fieldConfiguration>
 <aliases><alias name="NAME" index="0" field="NAME"/><alias name="" index="1" field="N"/></aliases>
 <defaults><default expression="N + 1" field="N" applyOnUpdate="0"/></defaults>
 <constraints><constraint field="NAME" constraints="0"/></constraints>
 <constraintExpressions><constraint field="N" exp="N > 0" desc="N"/></constraintExpressions>
 <splitPolicies><policy field="NAME" policy="Duplicate"/></splitPolicies>
 <expressionfields><field name="twice" expression="N * 2" type="2"/></expressionfields>
 <attributeactions><actionsetting name="NAME" action="echo [% NAME %] NAME"/></attributeactions>
 <attributetableconfig sortExpression="&quot;NAME&quot;" sortOrder="0"><columns>
  <column name="NAME" type="field" width="-1"/><column type="actions" width="-1"/>
 </columns></attributetableconfig>
 <conditionalstyles><fieldstyles><fieldstyle fieldname="N"><style rule="@value > N" name="N"/>
 </fieldstyle></fieldstyles></conditionalstyles>
 <attributeEditorForm><attributeEditorContainer name="N" visibilityExpression="N is null">
  <attributeEditorField name="NAME" index="0"/></attributeEditorContainer></attributeEditorForm>
 <editable><field name="NAME" editable="1"/></editable>
 <labelOnTop><field name="N" labelOnTop="0"/></labelOnTop>
 <widgets><widget name="NAME"/></widgets>
 <previewExpression>"NAME"</previewExpression>
 <mapTip enabled="1"><![CDATA[<b>NAME</b> [% "NAME" %] [% N %]]]></mapTip>
</qgis>
"""
#: What of the style above is to become of NAME → `street name` and N → cnt: text and replacement.
CHANGED = (
    ('startField="NAME"', 'startField="street name"'),
    ('durationField="N"', 'durationField="cnt"'),
    ('attr="NAME"', 'attr="street name"'),
    (
        "&quot;NAME&quot; = 'NAME' AND N &gt;= 10 -- N",
        "&quot;street name&quot; = 'NAME' AND cnt &gt;= 10 -- N",
    ),
    (
        'coalesce("N", length( name ), N(1)) > @N',
        'coalesce("cnt", length( "street name" ), N(1)) > @N',
    ),
    ('"field" value="N"', '"field" value="cnt"'),
    ("$geometry, &quot;N&quot;", "$geometry, &quot;cnt&quot;"),
    ('>"N"</orderBy', '>"cnt"</orderBy'),
    ("upper(&quot;NAME&quot;) || ' é ' || N", "upper(&quot;street name&quot;) || ' é ' || cnt"),
    ("if(&quot;N&quot; > 1", "if(&quot;cnt&quot; > 1"),
    ('<Option value="&quot;NAME', '<Option value="&quot;street name'),
    ('classificationField="N"', 'classificationField="cnt"'),
    ('field="&quot;N&quot;"', 'field="&quot;cnt&quot;"'),
    ('<field name="NAME" c', '<field name="street name" c'),
    ('<field name="N" c', '<field name="cnt" c'),
    ('0" field="NAME"', '0" field="street name"'),
    ('index="1" field="N"', 'index="1" field="cnt"'),
    ('expression="N + 1" field="N"', 'expression="cnt + 1" field="cnt"'),
    ('constraint field="NAME"', 'constraint field="street name"'),
    ('constraint field="N" exp="N > 0"', 'constraint field="cnt" exp="cnt > 0"'),
    ('policy field="NAME"', 'policy field="street name"'),
    ('expression="N * 2"', 'expression="cnt * 2"'),
    ("[% NAME %] NAME", "[% &quot;street name&quot; %] NAME"),
    ('sortExpression="&quot;NAME', 'sortExpression="&quot;street name'),
    ('column name="NAME"', 'column name="street name"'),
    ('fieldname="N"', 'fieldname="cnt"'),
    ('rule="@value > N"', 'rule="@value > cnt"'),
    ('visibilityExpression="N is', 'visibilityExpression="cnt is'),
    ('attributeEditorField name="NAME"', 'attributeEditorField name="street name"'),
    ('<field name="NAME" e', '<field name="street name" e'),
    ('<field name="N" l', '<field name="cnt" l'),
    ('widget name="NAME"', 'widget name="street name"'),
    ('<previewExpression>"NAME"', '<previewExpression>"street name"'),
    ('[% "NAME" %] [% N %]', '[% "street name" %] [% cnt %]'),
)
SLD = """<?xml version="1.0" encoding="ISO-8859-1"?>
<StyledLayerDescriptor xmlns="http://www.opengis.net/sld" xmlns:ogc="http://www.opengis.net/ogc">
 <NamedLayer><Name>NAME</Name><UserStyle><Title>Stra\xdfen: NAME</Title>
  <FeatureTypeStyle><Rule><ogc:Filter><ogc:PropertyIsEqualTo>
   <ogc:PropertyName> NAME </ogc:PropertyName><ogc:Literal>NAME</ogc:Literal>
  </ogc:PropertyIsEqualTo></ogc:Filter>
  <PointSymbolizer><Graphic><ExternalGraphic>
   <OnlineResource xlink:href="http://x/NAME/${NAME}.png" xmlns:xlink="urn:x"/>
  </ExternalGraphic></Graphic></PointSymbolizer>
  <TextSymbolizer><Label>NAME <ogc:PropertyName>n</ogc:PropertyName></Label></TextSymbolizer>
  <VendorOption name="sortBy">NAME D, n</VendorOption></Rule></FeatureTypeStyle>
 </UserStyle></NamedLayer></StyledLayerDescriptor>
"""


def expected() -> str:
    made = QML
    for old, new in CHANGED:
        assert made.count(old) == 1, old
        made = made.replace(old, new)
    return made


def run(src: Path, out: Path, steps: object = (), **options: object) -> list[str]:
    """Notes of the one outcome."""
    report = shpbatch.run(src, out, steps, **{"method": "inline", **options})
    assert [o.status for o in report.outcomes] == ["done"], report.outcomes
    return list(report.outcomes[0].notes)


RENAMED = ("rename", {"fields": ["street name=NAME", "cnt=N"]})


def test_a_qgis_style_is_changed_where_it_names_fields_and_nowhere_else() -> None:
    references = References({"NAME": "street name", "N": "cnt"})
    made = restyled(QML.encode(), "qml", references).decode()
    assert made == expected()
    assert references.count == len(re.findall(r"street name|\bcnt\b", made))
    assert not references.gone
    ElementTree.fromstring(made)


#: Places that QGIS 2 has, and 3 no more.
OLD = """<qgis version="2.18"><renderer-v2 type="singleSymbol"><symbol><layer class="SimpleLine">
 <prop k="width_dd_active" v="1"/><prop k="width_dd_field" v="N"/><prop k="x" v="N"/>
 <prop k="width_dd_expression" v="&quot;N&quot; / 2"/></layer></symbol></renderer-v2>
 <customproperties><property key="labeling/fieldName" value="NAME"/>
  <property key="dualview/previewExpressions"><value>COALESCE( "NAME", '&lt;NAME>' )</value></property>
  <property key="other" value="NAME"><value>NAME</value></property></customproperties>
 <labelattributes><angle fieldname="N" value="NAME"/></labelattributes>
 <edittypes><edittype name="NAME"><widgetv2config Key="N"/></edittype></edittypes>
 <displayfield>NAME</displayfield><excludeAttributesWMS><attribute>N</attribute></excludeAttributesWMS>
 <LinearlyInterpolatedDiagramRenderer classificationAttribute="1"/>
 <data-defined><size active="true" expr="N + 1" field="N" useexpr="false"/></data-defined>
</qgis>"""  # noqa: E501


def test_places_that_only_qgis_2_has() -> None:
    made = restyled(OLD.encode(), "qml", References({"NAME": "A", "N": "B"})).decode()
    wanted = OLD
    for old, new in (
        ('dd_field" v="N"', 'dd_field" v="B"'),
        ("&quot;N&quot; / 2", "&quot;B&quot; / 2"),
        ('fieldName" value="NAME"', 'fieldName" value="A"'),
        ('COALESCE( "NAME"', 'COALESCE( "A"'),
        ('angle fieldname="N"', 'angle fieldname="B"'),
        ('edittype name="NAME"', 'edittype name="A"'),
        ("displayfield>NAME", "displayfield>A"),
        ("attribute>N<", "attribute>B<"),
        ('expr="N + 1" field="N"', 'expr="B + 1" field="B"'),
    ):
        assert wanted.count(old) == 1, old
        wanted = wanted.replace(old, new)
    assert made == wanted


def test_the_symbol_of_a_callout_is_a_style_within_the_style() -> None:
    inner = (
        "&lt;symbol name=&quot;N&quot;>&lt;data_defined_properties>&lt;Option type=&quot;Map&quot;>"
        "&lt;Option name=&quot;properties&quot;>&lt;Option name=&quot;width&quot;>&lt;Option "
        "name=&quot;expression&quot; value=&quot;{}&quot;/>&lt;/Option>&lt;/Option>&lt;/Option>"
        "&lt;/data_defined_properties>&lt;/symbol>"
    )
    style = f'<qgis><callout><Option type="Map"><Option name="lineSymbol" value="{inner}"/>'
    style += "</Option></callout></qgis>"
    old, new = (
        style.format("N &amp;lt; &amp;quot;N&amp;quot;"),
        style.format("M &amp;lt; &amp;quot;M&amp;quot;"),
    )
    references = References({"N": "M"})
    assert restyled(old.encode(), "qml", references).decode() == new
    assert references.count == 2


def test_an_sld_is_changed_in_its_own_encoding() -> None:
    references = References({"NAME": "STRA\xdfE", "N": "M"})
    data = SLD.encode("latin-1")
    made = restyled(data, "sld", references).decode("latin-1")
    wanted = SLD
    for old, new in (
        ("> NAME <", "> STRA\xdfE <"),
        ("${NAME}", "${&quot;STRA\xdfE&quot;}"),
        ("Name>n<", "Name>M<"),
        ("NAME D, n<", "STRA\xdfE D, M<"),
    ):
        wanted = wanted.replace(old, new)
    assert made == wanted
    assert references.count == 5


def test_a_name_that_the_encoding_has_not_is_written_as_references() -> None:
    made = restyled(SLD.encode("latin-1"), "sld", References({"NAME": "城市", "N": "N"}))
    assert b"> &#22478;&#24066; <" in made
    names = [e.text for e in ElementTree.fromstring(made).iter() if e.tag.endswith("PropertyName")]
    assert names == [" 城市 ", "n"]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ('"a"', '"b c"'),
        ("a", '"b c"'),
        ("A + a.b", '"b c" + "b c".b'),
        ("'a' || 'it''s a' || a", "'a' || 'it''s a' || \"b c\""),
        (r"'\'a' || a", r"'\'a' || " + '"b c"'),
        ('"x""a" || "d""e"', '"x""a" || "f""g"'),
        ("a(a) /* a \n a */ + 1e5a", 'a("b c") /* a \n a */ + 1e5"b c"'),
        ("sum(expression:=a, filter:=a>1)", 'sum(expression:="b c", filter:="b c">1)'),
        ("attribute($currentfeature, 'a')", "attribute($currentfeature, 'b c')"),
        ("attribute('a') || concat('a')", "attribute('b c') || concat('a')"),
        ("attributes()['a'] + attributes(@feature)['a']",
         "attributes()['b c'] + attributes(@feature)['b c']"),
        ("map('a', 1)['a'] + (attributes())['a']", "map('a', 1)['a'] + (attributes())['a']"),
        ("get_feature(@layer, 'a', 'a')", "get_feature(@layer, 'b c', 'a')"),
        ("get_feature('towns', 'a', a)", "get_feature('towns', 'a', \"b c\")"),
        ("x = current_value('a')", "x = current_value('b c')"),
        ("aggregate('towns', 'sum', \"a\") + a", "aggregate('towns', 'sum', \"a\") + \"b c\""),
        ("aggregate(layer:=@layer, aggregate:='sum', expression:=a)",
         "aggregate(layer:=@layer, aggregate:='sum', expression:=\"b c\")"),
        ("overlay_within('zones', lower(a))[0]", "overlay_within('zones', lower(a))[0]"),
        ("case when a is null then k else 'a' end",
         'case when "b c" is null then "end" else \'a\' end'),
        ("@a + $a + 'unclosed a", "@a + $a + 'unclosed a"),
        ('a + "unclosed a', '"b c" + "unclosed a'),
    ],
)  # fmt: skip
def test_names_in_expressions(expression: str, wanted: str) -> None:
    references = References({"a": "b c", 'd"e': 'f"g', "k": "end"})
    made = expression
    for start, stop, new in reversed(in_expression(expression, references)):
        made = made[:start] + new + made[stop:]
    assert made == wanted


@pytest.mark.parametrize("text", ["'", '"', "'\\", "(", "/*", "--\n", '"" ', "[%"])
def test_what_is_no_expression_takes_no_time(text: str) -> None:
    started = time.process_time()
    assert not in_expression(text * 50_000, References({"a": "b"}))
    assert time.process_time() - started < 5  # some 0.1 s; minutes where each quote is a start


def test_elements_in_each_other_without_end_are_refused() -> None:
    with pytest.raises(ValueError, match="500 deep"):
        values_of(b"<q>" * 100_000 + b"</q>" * 100_000)


def test_entities_of_entities_are_refused() -> None:
    entities = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<!DOCTYPE l [<!ENTITY a0 "NAME">{entities}]><q><mapTip>&a11;</mapTip></q>'
    with pytest.raises(expat.ExpatError):
        values_of(bomb.encode())


def test_what_may_be_another_layers_is_told() -> None:
    references = References({"a": "b"})
    assert not in_expression("aggregate('towns', 'sum', lower(\"a\"))", references)
    assert list(references.doubtful) == ["a"]


def test_case_counts_first_and_then_does_not() -> None:
    references = References({"Pop": "x", "POP": "y", "Name": "z"})
    assert [references.new_name(n) for n in ("Pop", "POP", "pop", "NAME")] == ["x", "y", None, "z"]


def test_names_that_are_swapped_are_swapped() -> None:
    made = restyled(QML.encode(), "qml", References({"NAME": "N", "N": "NAME"}))
    assert b"filter=\"&quot;N&quot; = 'NAME' AND NAME &gt;= 10 -- N\"" in made


@pytest.mark.parametrize(
    "raw",
    [
        b"<q><mapTip>[% a<!-- a --> + <![CDATA[a < ]]>&#97; %]\r\n</mapTip></q>",
        b"<q>\r\n<mapTip\r\n x = 'a'\t>[% \"a\" &amp;&#x61; %]</mapTip  ></q>",
        b"\xef\xbb\xbf<?xml version='1.0'?><q><mapTip>[% a %]<?pi a?></mapTip></q><!-- a -->",
    ],
)
def test_bytes_around_a_name_stay(raw: bytes) -> None:
    references = References({"a": "b"})
    made = restyled(raw, "qml", references)
    assert references.count
    assert made != raw
    shown = "".join(ElementTree.fromstring(raw).itertext())
    inside = re.sub(r"\ba\b", "b", shown) if "+" in shown else shown
    if "+" in shown:
        assert "".join(ElementTree.fromstring(made).itertext()) == inside
    for kept in (b"<!-- a -->", b"<?pi a?>", b"\r\n", b"x = 'a'\t", b"&amp;"):
        assert made.count(kept) == raw.count(kept)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<qgis>",
        b"no style",
        QML.encode("utf-16"),
        QML.replace("<!DOCTYPE", "<?xml version='1.0' encoding='no-such'?><!DOCTYPE").encode(),
        b'<!DOCTYPE q [<!ENTITY e "<mapTip>[% NAME %]</mapTip>">]><q>&e;</q>',
        b'<!DOCTYPE q [<!ENTITY e "NAME">]><q><mapTip>[% &e; %]</mapTip></q>',
    ],
)  # fmt: skip
def test_what_cannot_be_changed_with_proof_travels_as_it_is(tmp_path: Path, data: bytes) -> None:
    src = make.write(tmp_path / "in", "roads", qml=data)
    notes = run(src, tmp_path / "out", [RENAMED])
    assert (tmp_path / "out/roads.qml").read_bytes() == data
    assert [n for n in notes if n.startswith("roads.qml travels as it is, with the old names")]


def test_a_change_that_is_read_as_another_is_refused() -> None:
    data = b"<q><mapTip><![CDATA[a]]></mapTip></q>"
    values = values_of(data)
    with pytest.raises(ValueError, match="read as it was meant"):
        changed(data, values, [(values[0], [(0, 1, "]]><b/><![CDATA[")])])


def test_a_run_without_steps_leaves_every_sidecar(tmp_path: Path) -> None:
    beside = {"qml": QML, "sld": SLD.encode("latin-1"), "se": SLD.encode("latin-1")}
    beside |= {"qmd": "<qgis/>", "shp.xml": "<metadata/>", "lyr": b"NAME", "lyrx": "{}"}
    src = make.write(tmp_path / "in", "roads", **beside)
    assert run(src, tmp_path / "out") == []
    for extension in beside:
        name = f"roads.{extension}"
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "in" / name).read_bytes()


def test_renamed_fields_are_renamed_in_styles(tmp_path: Path) -> None:
    lyr = "an OLE file with NAME in it".encode("utf-16-le")
    src = make.write(tmp_path / "in", "roads", qml=QML, sld=SLD.encode("latin-1"), lyr=lyr)
    notes = run(src, tmp_path / "out", [RENAMED])
    # "street name" has 11 bytes, a .dbf 10: styles have the name that is written.
    [written] = [n for n in names_of(tmp_path / "out/roads.dbf") if n != "cnt"]
    assert written != "street name"
    wanted = expected().replace("street name", written)
    if re.fullmatch(r"\w+", written):  # a bare name stays bare where it can
        wanted = wanted.replace(f'length( "{written}" )', f"length( {written} )")
        wanted = wanted.replace(f"&quot;{written}&quot; %]", f"{written} %]")
    assert (tmp_path / "out/roads.qml").read_text("utf-8") == wanted
    count = len(re.findall(rf"{written}|\bcnt\b", wanted))
    assert f"roads.qml: {count} references to renamed fields were changed" in notes
    assert "roads.sld: 5 references to renamed fields were changed" in notes
    assert (tmp_path / "out/roads.lyr").read_bytes() == lyr
    told = "roads.lyr was not changed and may refer to fields that are renamed or gone: NAME"
    assert any(n.startswith(told) for n in notes)


def names_of(path: Path) -> list[str]:
    import fiona

    with fiona.open(path.with_suffix(".shp")) as layer:
        return list(layer.schema["properties"])


def attr_of(path: Path) -> str | None:
    found = ElementTree.fromstring(path.read_bytes()).find("renderer-v2")
    assert found is not None
    return found.get("attr")


STYLE = '<qgis><renderer-v2 type="categorizedSymbol" attr="{}"/></qgis>'


@pytest.mark.parametrize(
    ("steps", "attr"),
    [
        ([("rename", {"fields": ["A=NAME"]}), ("rename", {"fields": ["B=A"]})], "B"),
        ([("rename", {"fields": ["NAME=N", "N=NAME"]})], "N"),
        ([("rename", {"fields": ["A=NAME"]}), ("select", {"fields": ["A"]})], "A"),
        (
            [
                ("rename", {"fields": ["A=NAME"]}),
                ("calculate", {"field": "A", "expression": "upper(A)"}),
            ],
            "A",
        ),
        (
            [
                ("rename", {"fields": ["A=NAME"]}),
                ("calculate", {"field": "A", "expression": "length(A)"}),
            ],
            "A",
        ),
        (
            [
                ("rename", {"fields": ["A=NAME"]}),
                ("calculate", {"field": "NAME", "expression": "1"}),
            ],
            "A",
        ),
        (
            [("select", {"fields": ["N"]}), ("calculate", {"field": "NAME", "expression": "1"})],
            "NAME",
        ),
        ([("rename", {"fields": ["A=NAME"]}), ("filter", {"where": "N > 99"})], "A"),
        ([("rename", {"fields": ["A=NAME"]}), ("recode", {"encoding": "cp1252"})], "A"),
    ],
)
def test_a_field_is_followed_through_the_steps(
    tmp_path: Path, steps: list[tuple[str, dict[str, object]]], attr: str
) -> None:
    src = make.write(tmp_path / "in", "roads", qml=STYLE.format("NAME"))
    run(src, tmp_path / "out", steps)
    assert attr_of(tmp_path / "out/roads.qml") == attr


@pytest.mark.parametrize("steps", [[RENAMED], [RENAMED, ("filter", {"where": "cnt >= 0"})]])
def test_windows_and_parts_make_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[object]
) -> None:
    from shpbatch.planning import divide
    from shpbatch.shapefile import reader

    src = make.write(tmp_path / "in", "roads", qml=QML)
    told = run(src, tmp_path / "all", steps)
    monkeypatch.setattr(divide, "LARGE", 1)
    monkeypatch.setattr(divide, "PART", 60)
    monkeypatch.setattr(reader, "WINDOW_BYTES", 1)
    assert run(src, tmp_path / "parts", steps) == told
    parts, whole = ((tmp_path / p / "roads.qml").read_bytes() for p in ("parts", "all"))
    assert parts == whole
    assert b"cnt" in whole


def test_a_layer_split_by_type_has_the_style_twice(tmp_path: Path) -> None:
    flat = [(5, 5), (6, 5), (7, 5), (5, 5)]
    square = [(0, 0), (0, 4), (4, 4), (4, 0), (0, 0)]
    shp, shx = make.shp_bytes([make.poly(5, square), make.poly(5, flat)], 5)
    table = make.dbf_bytes(make.NAMES, make.rows_of(b"square", b"flat"))
    style = STYLE.format("NAME")
    src = make.write(tmp_path / "in", "roads", shp=shp, shx=shx, dbf=table, qml=style)
    steps = [("make-valid", {"keep_lower_dim": True}), ("rename", {"fields": ["A=NAME"]})]
    notes = run(src, tmp_path / "out", steps, on_mixed="split")
    made = sorted((tmp_path / "out").rglob("*.qml"))
    assert [attr_of(p) for p in made] == ["A", "A"]
    assert notes.count("roads.qml: 1 reference to a renamed field was changed") == 1


def test_dropped_fields_are_told_and_the_style_stays(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", qml=QML)
    notes = run(src, tmp_path / "out", [("select", {"fields": ["N"]})])
    assert (tmp_path / "out/roads.qml").read_text("utf-8") == QML
    assert "roads.qml refers to fields that are no longer there: NAME" in notes


def test_a_form_that_lists_a_dropped_field_does_no_harm(tmp_path: Path) -> None:
    style = '<qgis><aliases><alias field="NAME" index="0" name=""/></aliases></qgis>'
    src = make.write(tmp_path / "in", "roads", qml=style)
    assert run(src, tmp_path / "out", [("select", {"fields": ["N"]})]) == []


def test_a_layer_without_a_table(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", dbf=None, qml=STYLE.format("NAME"))
    run(src, tmp_path / "out", [("calculate", {"field": "NAME", "expression": "1"})])
    assert attr_of(tmp_path / "out/roads.qml") == "NAME"


def test_names_that_are_not_ascii(tmp_path: Path) -> None:
    table = make.dbf_bytes([("größe".encode(), "C", 5, 0)], [(b"1",)] * 3)
    src = make.write(tmp_path / "in", "straßen", dbf=table, cpg="UTF-8", qml=STYLE.format("größe"))
    notes = run(src, tmp_path / "out", [("rename", {"fields": ["名=größe"]})])
    assert attr_of(tmp_path / "out/straßen.qml") == "名"
    assert "straßen.qml: 1 reference to a renamed field was changed" in notes


def test_in_a_container_and_from_a_zip(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", qml=STYLE.format("NAME"))
    packed = tmp_path / "roads.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(src.parent.iterdir()):
            archive.write(path, path.name)
    run(packed, tmp_path / "out", [("rename", {"fields": ["A=NAME"]})], container="shz")
    [made] = (tmp_path / "out").rglob("*.shz")
    with zipfile.ZipFile(made) as archive:
        assert b'attr="A"' in archive.read("roads.qml")


def test_each_step_has_its_own_names(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", qml=STYLE.format("NAME"))
    steps = [("rename", {"fields": ["A=NAME"]}), ("rename", {"fields": ["B=NAME"]})]
    report = shpbatch.run(src, tmp_path / "out", steps, method="inline", each_step=True)
    assert {o.status for o in report.outcomes} == {"done"}
    made = sorted((tmp_path / "out").rglob("roads.qml"))
    assert [attr_of(p) for p in made] == ["A", "B"]


def test_each_of_many_outputs_has_the_style(tmp_path: Path) -> None:
    src = make.write(tmp_path / "in", "roads", qml=STYLE.format("NAME"))
    steps = [("rename", {"fields": ["A=NAME"]}), ("partition", {"field": "A"})]
    notes = run(src, tmp_path / "out", steps)
    made = sorted((tmp_path / "out").rglob("*.qml"))
    assert len(made) == 3
    assert {attr_of(p) for p in made} == {"A"}
    assert notes == ["roads.qml: 1 reference to a renamed field was changed"]


def test_styles_of_many_layers_are_not_those_of_one(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        make.write(tmp_path / "in", stem, qml=STYLE.format("NAME"))
    steps = [("rename", {"fields": ["A=NAME"]})]
    report = shpbatch.run(tmp_path / "in", tmp_path / "out", steps, method="inline", merge="all")
    assert {o.status for o in report.outcomes} == {"done"}
    assert not list((tmp_path / "out").rglob("*.qml"))


def test_stale_indexes_never_travel(tmp_path: Path) -> None:
    stale = ("sbn", "sbx", "qix", "ain", "aih", "ixs", "mxs", "fbn", "fbx", "idm", "NAME.atx")
    src = make.write(tmp_path / "in", "roads", **dict.fromkeys(stale, b"stale"))
    run(src, tmp_path / "out", [RENAMED])
    run(src, tmp_path / "plain")
    for folder in ("out", "plain"):
        made = {p.name for p in (tmp_path / folder).glob("roads.*")}
        assert not {n for n in made if n.partition(".")[2] in stale}, made
