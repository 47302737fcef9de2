"""Print the book as stored: Sphinx puts it on one page, headless Chromium prints that.

python book/pdf.py                          book/_build/book.pdf
python book/pdf.py --output /tmp/book.pdf   elsewhere
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from seqrec_lib.data.files import written_aside

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MINUTES = 10


def browser() -> str:
    """Chromium's command: ``CHROMIUM``, or the first of the usual names that there is.

    Raises ``FileNotFoundError`` if there is none.
    """
    given = os.environ.get("CHROMIUM")
    found = next(filter(None, map(shutil.which, [given] if given else NAMES)), None)
    if found is None:
        raise FileNotFoundError(
            f"{given or 'Chromium'} is not there, and prints the book: "
            "apt-get install chromium fonts-dejavu, or say where it is: CHROMIUM=/path make pdf"
        )
    return found


def compiled(folder: Path, source: Path = ROOT) -> Path:
    """The page that has the whole book, compiled below ``folder`` with warnings as errors.

    Raises ``subprocess.CalledProcessError`` if that fails; the compiler has said why.
    """
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", str(source)]
    options = ["--path-output", str(folder), "--builder", "custom"]
    options += ["--custom-builder", "singlehtml"]
    subprocess.run([*command, *options, "-W", "-n", "--keep-going"], check=True)
    return folder / "_build" / "singlehtml" / "index.html"


def printed(page: Path, target: Path) -> None:
    """Print a page to ``target``, which appears whole or not at all.

    Raises ``FileNotFoundError`` without a browser, ``RuntimeError`` if no PDF came out.
    """
    command = browser()
    target.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(target) as aside, tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        options += ["--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=60000"]
        options += ["--generate-pdf-document-outline", "--no-pdf-header-footer"]
        options += [f"--print-to-pdf={aside.resolve()}", page.resolve().as_uri()]
        ended = subprocess.run(
            [command, *options], capture_output=True, text=True, timeout=60 * MINUTES
        )
        if not aside.exists() or not aside.read_bytes().startswith(b"%PDF-"):
            raise RuntimeError(f"{command} printed nothing: {ended.stderr[-1000:]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=ROOT / "book" / "_build" / "book.pdf")
    target = parser.parse_args().output
    try:
        browser()  # before minutes are spent
        printed(compiled(ROOT / "build" / "pdf"), target)
    except subprocess.TimeoutExpired:
        sys.exit(f"Chromium has not printed the book in {MINUTES} minutes")
    except subprocess.CalledProcessError:
        sys.exit("The book does not compile to one page; the reasons stand above.")
    except (OSError, RuntimeError) as error:
        sys.exit(str(error))
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
