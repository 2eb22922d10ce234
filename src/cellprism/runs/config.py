"""What a run is asked to do: one typed, validated description, read from YAML."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from cellprism.errors import UserError

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Control = Literal["random_weights", "static_embedding"]
Protocol = Literal["calibrated", "published"]
SOURCE = "source"
"""Label that tells the sources of a pool apart."""
POOL_FAULT: Final = "pool"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(Section):
    """The foundation model."""

    kind: str = Field("geneformer", description="name of a model reader (entry point `cellprism.models`)")
    path: str = Field("demo", description="checkpoint folder or hub id; `demo` is the small model that ships here")
    subfolder: str | None = Field(None, description="folder of the checkpoint within path, e.g. Geneformer-V2-316M")
    revision: str | None = Field(None, description="commit of the hub's repository; default: its newest")
    dictionaries: str | None = Field(None, description="folder of the dictionaries; default: beside the weights")
    protocol: Protocol = Field(
        "calibrated", description="`published` feeds cells as the papers did, where the model reader knows how",
    )
    control: Control | None = Field(
        None, description="take a model that knows less in its place; `controls` sets it in runs of its own",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where the model runs")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="number format; auto: bfloat16 on CUDA and on CPUs that multiply it faster, else float32",
    )
    token_budget: Positive = Field(8192, description="padded tokens per batch")


class PoolConfig(Section):
    """One of several sources of cells; what it does not say is as in `cells`."""

    path: str = Field(description="cells of this source, as `cells.path`")
    share: Share = Field(description="share of the sampled positions that are of this source; all add up to 1")
    layer: str | None = Field(None, description="as `cells.layer`")
    where: dict[str, str | tuple[str, ...]] | None = Field(None, description="as `cells.where`")
    donor: str | None = Field(None, description="as `cells.donor`")
    max_cells: Positive | None = Field(None, description="as `cells.max_cells`")


class CellsConfig(Section):
    """The cells."""

    path: str = Field("demo", description=".h5ad file with raw counts, or tokenised cells; `demo`: scanpy's PBMC")
    layer: str | None = Field(None, description="AnnData layer that holds the counts, or `raw`; default: X")
    where: dict[str, str | tuple[str, ...]] = Field({}, description="use only cells with these values of obs columns")
    labels: tuple[str, ...] = Field((), description="columns of obs to relate features to, e.g. cell type")
    donor: str | None = Field(None, description="column of obs that names the donor")
    max_cells: Positive | None = Field(None, description="use a seeded sample of so many cells; default: all")
    min_tokens: Positive = Field(20, description="cells with fewer known expressed genes are left out")
    min_share_mapped: Share = Field(0.3, description="refuse cells that map less, unless the model is small")
    pool: dict[str, PoolConfig] = Field(
        {}, description="several sources in place of path: name -> path, share and what differs; see docs/models.md",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        total = sum(source.share for source in self.pool.values())
        faults = {
            f"must have shares that add up to 1, not {total:g}": abs(total - 1) > 1e-6,
            "must have two or more sources": len(self.pool) == 1,
            "takes the place of `cells.path`: leave out one of the two": self.path != "demo",
            f"makes a label `{SOURCE}` of its own: leave that out of `cells.labels`": SOURCE in self.labels,
        }
        fault = next((words for words, found in faults.items() if found and self.pool), None)
        if fault:
            raise PydanticCustomError(POOL_FAULT, fault)
        return self

    @property
    def sources(self) -> dict[str, CellsConfig]:
        """The sources by name, each as if it were alone; a single one has no name."""
        if not self.pool:
            return {"": self}
        own = {name: source.model_dump(exclude={"share"}, exclude_none=True) for name, source in self.pool.items()}
        return {name: self.model_copy(update={**fields, "pool": {}}) for name, fields in own.items()}

    @property
    def shares(self) -> dict[str, float]:
        """Share of the sampled positions by source."""
        return {name: source.share for name, source in self.pool.items()} or {"": 1.0}


class SAEConfig(Section):
    """The sparse autoencoders, one for each layer."""

    layers: Literal["all"] | tuple[int, ...] = Field("all", description="layers to take apart, counted from 0")
    expansion: Positive = Field(4, description="features per residual dimension")
    activation: Literal["topk", "batchtopk"] = Field(
        "topk", description="k features at every position, or k on average over a batch and then above a threshold",
    )
    k: Positive = Field(32, description="active features per position")
    positions: Positive = Field(1_000_000, description="positions sampled per layer for training")
    steps: Positive = Field(1500, description="gradient steps")
    seeds: Positive = Field(1, description="autoencoders per layer; from 2 on, features are matched between seeds")
    batch_size: Positive = Field(4096, description="positions per step")
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of Adam")
    keep_residuals: bool = Field(False, description="keep the sampled residuals after training")
    held_out: Share = Field(0.05, description="share of cells kept out of training, for the metrics")


class AnnotationConfig(Section):
    """From firing genes to names."""

    gene_sets: tuple[str, ...] = Field(("immune",), description="shipped or downloaded libraries, files or folders")
    network: str | None = Field(None, description="network of genes: `string` once downloaded, a file or a folder")
    network_score: int = Field(700, ge=0, le=1000, description="least combined score of an edge of STRING")
    gene_names: str | None = Field(None, description="`hgnc` once downloaded, or a file: joins old and new symbols")
    top_genes: Positive = Field(20, description="genes that stand for a feature")
    rank_test: bool = Field(False, description="also test all genes of a feature by rank, not just its top genes")
    min_firings: Positive = Field(5, description="fewer firings on a gene do not make it a top gene")
    min_size: Positive = Field(5, description="smallest term after cutting it to the background")
    max_size: Positive = Field(500, description="largest term after cutting it to the background")
    q: Share = Field(0.05, description="false discovery rate")
    permutations: Positive = Field(20, description="permutations of every null rate")


class ModulesConfig(Section):
    """Co-firing modules."""

    min_count: Positive = Field(50, description="positions at which two features must fire together")
    leiden_seeds: Positive = Field(10, description="Leiden runs; the best modularity is kept")
    min_features: Positive = Field(3, description="smallest module")


class HighwaysConfig(Section):
    """Features that fire together across layers."""

    pairs: Literal["default"] | tuple[tuple[int, int], ...] = Field(
        "default", description="pairs of an earlier and a later layer; default: adjacent ones and those of the papers",
    )


class Config(Section):
    """A run."""

    title: str = Field("cellprism run", description="shown on the atlas")
    out: str = Field("runs/run", description="the run directory")
    seed: int = Field(0, ge=0, description="seed of everything random")
    protocol: Protocol = Field(
        "calibrated", description="`published`: the papers' definitions of annotation, alignment, modules and highways",
    )
    controls: tuple[Control, ...] = Field(
        ("static_embedding",), description="models that know less, whose rates stand beside those of the run",
    )
    model: ModelConfig = Field(default_factory=ModelConfig)
    cells: CellsConfig = Field(default_factory=CellsConfig)
    sae: SAEConfig = Field(default_factory=SAEConfig)
    annotation: AnnotationConfig = Field(default_factory=AnnotationConfig)
    modules: ModulesConfig = Field(default_factory=ModulesConfig)
    highways: HighwaysConfig = Field(default_factory=HighwaysConfig)


def load_config(path: Path) -> Config:
    """Read a YAML configuration. Relative paths in it are relative to the current directory.

    Raises
    ------
    UserError
        The file is missing, is not YAML, or holds an unknown key or a wrong value.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        raw = yaml.safe_load(text)
    except FileNotFoundError:
        msg = f"no configuration at {path}: write one with `cellprism init {path}`."
        raise UserError(msg) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f"{path} cannot be read as YAML: {' '.join(str(error).split())}."
        raise UserError(msg) from None
    if raw is not None and not isinstance(raw, dict):
        msg = f"{path} must hold keys and values, such as `cells:`; see `cellprism init --help`."
        raise UserError(msg)
    return parse_config(raw or {}, source=str(path))


def parse_config(raw: dict[str, Any], *, source: str = "the configuration") -> Config:
    """Validate a nested dict; the first fault is reported as a sentence that names the key."""
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        msg = f"{source}: {_sentence(error.errors()[0])}"
        raise UserError(msg) from None


def dump_config(config: Config) -> str:
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def starter_yaml() -> str:
    """A commented YAML file with every key at its default."""
    lines = []
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            lines += ["", f"{name}:  # {' '.join((section.__doc__ or '').split())}"]
            lines += [f"  {_yaml_line(key, section(), f.description)}" for key, f in section.model_fields.items()]
        else:
            lines.append(_yaml_line(name, Config(), field.description))
    return "\n".join(lines).lstrip() + "\n"


def _yaml_line(key: str, section: Section, description: str | None) -> str:
    value = section.model_dump(mode="json")[key]
    return f"{key}: {json.dumps(value)}  # {description}"


def _sentence(fault: Any) -> str:
    location = [str(part) for part in fault["loc"]]
    where = ".".join(location)
    if fault["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        close = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.0)
        return f"unknown key `{where}`; the nearest known key is `{'.'.join([*location[:-1], *close])}`."
    if fault["type"] == POOL_FAULT:
        return f"`{where}.pool` {fault['msg']}."
    return f"`{where}` {fault['msg'][0].lower()}{fault['msg'][1:]} (got {fault['input']!r})."


def _known_keys(location: list[str]) -> list[str]:
    section: Any = Config
    for part in location:
        # below a mapping of names to sections, `part` is a name
        section = get_args(section)[1] if get_args(section) else section.model_fields[part].annotation
    return list(section.model_fields)
