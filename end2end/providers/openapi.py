"""Says whether the OpenAPI document on standard input is one: `valid`, or what is wrong."""

import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

errors = list(OpenAPIV31SpecValidator(json.load(sys.stdin)).iter_errors())
for error in errors:
    print(f"{error.json_path}: {error.message}")
if not errors:
    print("valid")
