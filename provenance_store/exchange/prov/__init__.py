"""W3C PROV, in and out."""
