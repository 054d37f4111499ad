"""Opens the address in the arguments as PERSON would in a browser, picking them on the page."""

from __future__ import annotations

import os
import sys
import urllib.request

if __name__ == "__main__":
    url = f"{sys.argv[1]}&identity={os.environ['PERSON']}"
    with urllib.request.urlopen(url, timeout=30) as page:
        page.read()
