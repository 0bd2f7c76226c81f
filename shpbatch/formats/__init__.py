"""The doors to other engines: pyogrio (``arrow``) and fiona (``records``).

GDAL sees only names that we made, in a folder of our own, never a user's
path: names with ``!``, newlines or mixed case, zips and layers without a
``.shx`` all look alike to it.
"""
