"""Writes FOLDER/clinical-anonymizer-VERSION.cdx.json: the parts of the program, in CycloneDX 1.6 (SBOM).

Run in the environment that the lock file describes: from the program's own requirements on, every package that is
needed to run it, with the version that is pinned, its licence and its hashes, and every model with its own.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageMetadata, distribution
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from anonymizer.core.version import __version__
from anonymizer.detect.models.manifest import models_version, read_manifest, shipped_manifest

ROOT = Path(__file__).parents[1]
NAME = "clinical-anonymizer"


def main(folder: Path) -> Path:
    """Write the list into a folder and give its path."""
    bom = Bom()
    bom.metadata.component = program = Component(
        name=NAME, version=__version__, type=ComponentType.APPLICATION, bom_ref=NAME, licenses=licences("MIT")
    )
    hashes = locked_hashes((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    parts: dict[str, Component] = {NAME: program}
    edges: dict[str, list[str]] = {}
    waiting = [NAME]
    while waiting:
        name = waiting.pop()
        edges[name] = needed(name)
        for one in edges[name]:
            if one not in parts:
                parts[one] = package(one, hashes)
                bom.components.add(parts[one])
                waiting.append(one)
    models = []
    for entry in read_manifest(shipped_manifest()):
        models.append(
            Component(
                name=entry.name,
                version=models_version(),
                type=ComponentType.MACHINE_LEARNING_MODEL,
                bom_ref=f"model:{entry.name}",
                description=entry.purpose,
                licenses=licences(entry.licence),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=entry.sha256)],
            )
        )
    bom.components.update(models)
    for name, ones in edges.items():
        bom.register_dependency(parts[name], [parts[one] for one in ones])
    bom.register_dependency(program, [*(parts[one] for one in edges[NAME]), *models])
    path = folder / f"{NAME}-{__version__}.cdx.json"
    path.write_text(JsonV1Dot6(bom).output_as_string(indent=1), encoding="utf-8")
    return path


def needed(name: str) -> list[str]:
    """What a distribution requires on this platform, without its extras."""
    if name == NAME:
        own = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    found = [Requirement(text) for text in (own if name == NAME else distribution(name).requires or ())]
    return sorted(
        {
            str(canonicalize_name(one.name))
            for one in found
            if not one.marker or one.marker.evaluate({"extra": ""})
        }
    )


def package(name: str, hashes: dict[str, list[str]]) -> Component:
    found = distribution(name).metadata
    version = found["Version"]
    address = PackageURL("pypi", name=name, version=version)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=name,
        purl=address,
        description=found["Summary"],
        licenses=licences(found["License-Expression"] or _classified(found) or found["License"]),
        # The lock names every file of a release, one for each platform: that it is one of them is what can be said.
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(str(address)),
                hashes=[
                    HashType(alg=HashAlgorithm.SHA_256, content=one) for one in hashes[f"{name}=={version}"]
                ],
            )
        ],
    )


def licences(said: str | None) -> list[Any]:
    """Some packages put the text of their licence where its name belongs: its first line says which it is."""
    lines = (said or "").strip().splitlines()
    return [LicenseFactory().make_from_string(lines[0])] if lines else []


def _classified(metadata: PackageMetadata) -> str | None:
    """The licence's name among the classifiers."""
    names = [one.rpartition(" :: ")[2] for one in metadata.get_all("Classifier") or () if "License ::" in one]
    return names[0] if names else None


def locked_hashes(lock: str) -> dict[str, list[str]]:
    """``name==version`` → the SHA-256 of its files, from the lock file."""
    found = {}
    for block in re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE)[1:]:
        found[block.split()[0]] = re.findall(r"sha256:([0-9a-f]{64})", block)
    return found


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
