"""Validates a bill of materials against CycloneDX's own schema of its version. Prints `valid`, or what is not."""

import json
import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = pathlib.Path(sys.argv[1]).read_text()
version = SchemaVersion.from_version(json.loads(text)["specVersion"])
print(JsonStrictValidator(version).validate_str(text) or "valid")
