"""What of the libraries is kept between two starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plumbline_torch.devices import LIBRARIES

PACKAGE = Path(__file__).parent.parent


@pytest.mark.parametrize("keeps", ["1", ""])
def test_compiled_libraries_are_kept_where_they_may_be_and_of_the_package_itself_nothing(tmp_path, keeps):
    libraries, kept = tmp_path / "libraries", tmp_path / "kept"
    for name in LIBRARIES:
        folder = libraries
        for part in name.split("."):
            folder = folder / part
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").touch()
    for name in ["torch", "transformers"]:
        about = libraries / f"{name}-99.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 99.0\n")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(libraries), str(PACKAGE)]),
        "PYTHONPYCACHEPREFIX": str(kept),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PLUMBLINE_KEEPS_BYTECODE": keeps,
    }
    program = "from plumbline_torch.devices import load_libraries as load; load(); import plumbline_torch.host, torch; print(torch.__file__)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(libraries / "torch" / "__init__.py")
    found = sorted(str(file.relative_to(kept)) for file in kept.rglob("*.pyc"))
    assert [file for file in found if "plumbline_torch" in file] == []
    assert len([file for file in found if str(libraries)[1:] in file]) == (len(LIBRARIES) + 3 if keeps else 0)
