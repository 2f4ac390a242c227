"""Kubernetes objects against schemas, without a cluster. Run by the Python of build/deploy-tools, which has
kubernetes-validate: ``{"versions": [...], "custom": {...}, "objects": [...]}`` on stdin, a list of sentences on stdout.

It knows where that package keeps the schemas of each version. It must not know what any object is for. Unknown fields
are errors (strict).
"""

import importlib.resources
import json
import re
import sys

import jsonschema
from referencing import Registry, Resource


def main():
    given = json.load(sys.stdin)
    said = []
    for version in given["versions"]:
        folder = (
            importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
        )
        definitions = Resource.from_contents(json.loads((folder / "_definitions.json").read_text("utf-8")))
        registry = definitions @ Registry()
        for each in given["objects"]:
            schema = given["custom"].get(f"{each['apiVersion']} {each['kind']}") or builtin(folder, each)
            name = f"{version} {each['kind']} {each['metadata']['name']}"
            if schema is None:
                said.append(f"{name}: no schema for {each['apiVersion']}")
                continue
            validator = jsonschema.Draft202012Validator(schema, registry=registry)
            said += [f"{name}: {error.json_path}: {error.message[:300]}" for error in validator.iter_errors(each)]
    json.dump(said, sys.stdout)


def builtin(folder, each):
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", each["apiVersion"])
    path = folder / f"{each['kind'].lower()}-{group}.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


if __name__ == "__main__":
    main()
