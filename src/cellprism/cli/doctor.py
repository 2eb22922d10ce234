"""doctor."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import typer


def register(app: typer.Typer) -> None:
    app.command()(doctor)


@dataclass(frozen=True)
class Check:
    """One finding about the installation: ``mend`` is empty if all is well."""

    name: str
    found: str
    mend: str = ""
    required: bool = True


def doctor() -> None:
    """Check the installation and say what to mend. Exit code 1 if something needed is missing.

    Example: `cellprism doctor`
    """
    checks = [*_torch(), _packages(), _model(), _disk(), _front_end(), _chromium()]
    for check in checks:
        mark = "ok  " if not check.mend else ("MEND" if check.required else "note")
        typer.echo(f"{mark}  {check.name:<12} {check.found}" + (f": {check.mend}" if check.mend else ""))
    if any(check.mend and check.required for check in checks):
        raise typer.Exit(1)


def _torch() -> list[Check]:
    try:
        import torch
    except ImportError as error:
        return [Check("torch", f"not importable ({error})", "install it with `make setup` or `pip install torch`")]
    from cellprism.models.processor import bfloat16_units

    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU with {bfloat16_units()}"
    few = "set OMP_NUM_THREADS to the number of cores" if threads < cores // 2 else ""
    return [
        Check("torch", torch.__version__),
        Check("threads", f"{threads} of {cores} cores", few, required=False),
        Check("device", device),
    ]


def _packages() -> Check:
    from importlib import import_module

    missing = []
    for name in ("anndata", "scanpy", "transformers", "igraph", "sklearn", "pyarrow", "fastapi", "uvicorn"):
        try:
            import_module(name)
        except ImportError:
            missing.append(name)
    mend = f"install {', '.join(missing)} with `pip install -e .`" if missing else ""
    return Check("packages", "all there" if not missing else "incomplete", mend)


def _model() -> Check:
    from cellprism.models import load_model

    model = load_model("demo", device="cpu")
    return Check("demo model", f"{model.n_layers} layers of width {model.d_model} load")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Check("disk", f"{free:.1f} GB free here", "the demo needs 0.5 GB; free some space" if free < 0.5 else "")


def _front_end() -> Check:
    import cellprism

    page = Path(cellprism.__file__).parent / "atlas" / "static" / "index.html"
    built = page.exists()
    return Check("atlas pages", "built" if built else "absent", "" if built else "install the package again")


def _chromium() -> Check:
    found = os.environ.get("CELLPRISM_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    mend = "" if found else "only the browser tests need it; on Debian `apt-get install chromium`"
    return Check("chromium", found or "not found", mend, required=False)
