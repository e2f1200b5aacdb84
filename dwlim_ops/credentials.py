"""Secrets as files: each becomes a variable of the environment of the program that is run.

`python -m dwlim_ops.credentials PROGRAM ARGUMENT...` runs a program with them. systemd
(`LoadCredential=`), compose and Kubernetes all hand over a folder of files, one a secret, and name
it in `CREDENTIALS_DIRECTORY`.
"""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dwlim_ops.errors import ConfigError

FOLDER: Final = "CREDENTIALS_DIRECTORY"
#: A mistake that no restart mends, as in the command `dwlim`.
_USAGE: Final = 2
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")


def with_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with a variable for each file of its credentials' folder.

    A file is taken if it is named like a variable (`EARTHDATA_TOKEN`) and not empty; white space at
    its ends is dropped. A variable that is set already wins. Without a folder nothing is added.

    Raises
    ------
    ConfigError
        The folder or a file of it cannot be read, or a file holds a zero byte or is not text.
    """
    folder = environment.get(FOLDER)
    if not folder:
        return dict(environment)
    try:
        found = {path.name: _secret(path) for path in sorted(Path(folder).iterdir())
                 if _NAME.fullmatch(path.name)}
    except OSError as error:
        raise ConfigError("the credentials cannot be read", where=error.filename or folder,
                          got=error.strerror or repr(error),
                          remedy="correct owner and mode of the folder and its files") from error
    return {**{name: text for name, text in found.items() if text}, **environment}


def _secret(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ConfigError("a credential is not text", where=str(path), expected="one line of UTF-8",
                          remedy="write it again")
    return text


def main() -> None:
    """Become the program named on the command line, with the credentials in its environment."""
    try:
        environment = with_credentials(os.environ)
        if len(sys.argv) < 2 or shutil.which(sys.argv[1], path=environment.get("PATH")) is None:
            raise ConfigError("no such program", where=" ".join(sys.argv[1:2]) or "command line",
                              remedy="python -m dwlim_ops.credentials PROGRAM ARGUMENT...")
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(_USAGE)
    os.execvpe(sys.argv[1], sys.argv[1:], environment)  # noqa: S606  # that is its purpose


if __name__ == "__main__":
    main()
