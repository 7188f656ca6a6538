"""Validates objects against the schemas of Kubernetes, and those of the Prometheus operator against its own definitions.

Takes the directory of the operator's definitions and a file with a JSON list of {"from": text, "object": object}. Prints a line for
each problem, and at last how many objects there were. Unknown fields are problems: a cluster would drop them.
"""

import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml


def strict(schema):
    """A copy that takes no field which it does not name, unless it says so itself."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: strict(part) for key, part in schema.items()}
    if isinstance(copy.get("properties"), dict) and not copy.get("x-kubernetes-preserve-unknown-fields"):
        copy.setdefault("additionalProperties", False)
    return copy


def definitions(folder):
    """Schemas of the kinds that Kubernetes does not know itself, by API version and kind."""
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*.yaml")):
        definition = yaml.safe_load(path.read_text())
        spec = definition["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            # The definition leaves metadata to Kubernetes.
            schema["properties"]["metadata"] = {"type": "object"}
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def problems(definition, thing):
    if definition is not None:
        validator = jsonschema.Draft202012Validator(definition)
        return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(thing)]
    try:
        kubernetes_validate.validate(thing, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message}"]
    except kubernetes_validate.SchemaNotFoundError:
        return [f"there is no {thing.get('kind')} in {thing.get('apiVersion')}"]
    return []


def main():
    known = definitions(sys.argv[1])
    if len(known) < 3:
        sys.exit(f"no definitions in {sys.argv[1]}: run scripts/install-test-tools")
    objects = json.loads(pathlib.Path(sys.argv[2]).read_text())
    for entry in objects:
        thing = entry["object"]
        kind = thing.get("kind")
        name = thing.get("metadata", {}).get("name")
        for problem in problems(known.get((thing.get("apiVersion"), kind)), thing):
            print(f"{entry['from']}: {kind} {name}: {problem}".replace("\n", " "))
    print(f"{len(objects)} objects")


main()
