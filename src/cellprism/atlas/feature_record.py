"""The record of a feature, as the server answers it."""

from __future__ import annotations

from pydantic import BaseModel


class GeneSet(BaseModel):
    source: str
    term: str


class Term(GeneSet):
    """A gene set and the q of its test."""

    q: float | None


class Label(Term):
    n_terms: int


class Group(BaseModel):
    """A group of cells and the AUROC of the feature in it."""

    key: str
    value: str
    auroc: float | None


class FeatureItem(BaseModel):
    feature: int
    n_fired: int
    frequency: float | None
    n_cells: int | None
    max_value: float | None
    n_terms: int
    dead: bool
    rare: bool
    label: Term | None
    module: int | None
    group: Group | None


class TopGene(BaseModel):
    symbol: str
    id: str
    seen: int | None
    fired: int | None
    mean: float | None
    sd: float | None
    lower: float | None


class Annotation(BaseModel):
    source: str
    term: str
    overlap: int
    n_genes: int | None
    term_size: int | None
    genes: list[str]
    effect: float | None
    p: float | None
    q: float | None


class GroupTest(BaseModel):
    key: str
    value: str
    n_units: int
    unit: str
    auroc: float | None
    log_ratio: float | None
    p: float | None
    q: float | None


class Neighbour(BaseModel):
    kind: str
    layer: int
    feature: int
    similarity: float | None
    null_q95: float | None
    label: GeneSet | None


class Variance(BaseModel):
    """Shares of the activation's variance over positions."""

    gene: float | None
    cell: float | None
    rest: float | None
    static: bool


class Axis(BaseModel):
    axis: int | None
    cosine: float | None


class Density(BaseModel):
    """Edges among the top genes in a network of proteins."""

    n_in_network: int | None
    edges: int | None
    expected: float | None
    effect: float | None
    p: float | None
    q: float | None


class Stability(BaseModel):
    """How often the feature is found again in dictionaries of other seeds."""

    n_seeds: int | None
    same_atom: float | None
    jaccard: float | None
    null_jaccard: float | None


class Nearest(BaseModel):
    """The labelled feature nearest to one without a label."""

    feature: int | None
    cosine: float | None
    reliability: float | None


class Highway(BaseModel):
    """A feature of a later layer that fires at the same positions."""

    layer: int
    feature: int
    count: int | None
    pmi: float | None
    q: float | None
    label: GeneSet | None


class Odds(BaseModel):
    """A group of cells as an imported atlas tests it."""

    key: str
    value: str
    n_cells: int | None
    log_odds: float | None
    q: float | None


class Remark(BaseModel):
    label: str | None
    note: str | None
    author: str | None
    written: str | None


class SteeredReadout(BaseModel):
    """Change of a readout, the whole way of which is ``span``."""

    readout: str
    effect: float | None
    low: float | None
    high: float | None
    q: float | None
    span: float | None


class Steered(BaseModel):
    """What multiplying the feature's activation by ``alpha`` did; ``arm`` as in the table ``steering``."""

    arm: str
    alpha: float | None
    readouts: list[SteeredReadout]


class Answer(BaseModel):
    """Change of the feature when a gene is perturbed."""

    target: str
    effect: float | None
    low: float | None
    high: float | None
    t: float | None
    q: float | None


class Answers(BaseModel):
    """Perturbations that the feature was tested in, how many it responds to, and the surest of these."""

    n_perturbations: int
    responding: int
    strongest: list[Answer]


class Link(BaseModel):
    """A feature of a chain, and its cosine with the one before."""

    layer: int
    feature: int
    cosine: float | None
    label: GeneSet | None


class Patching(GeneSet):
    """What becomes of hidden genes of a term without the feature, beside a random direction."""

    n_genes: int
    n_cells: int
    effect: float | None
    low: float | None
    high: float | None
    p: float | None
    q: float | None
    random: float | None


class Damage(BaseModel):
    """How much worse hidden genes are guessed without the feature; ``arm`` says why it was measured."""

    arm: str
    partner: int | None
    n_cells: int
    loss: float | None
    hit: float | None


class Feature(BaseModel):
    layer: int
    feature: int
    n_fired: int
    frequency: float | None
    n_cells: int | None
    n_genes: int | None
    mean_value: float | None
    max_value: float | None
    dead: bool
    rare: bool
    module: int | None
    label: Label | None
    genes: list[TopGene]
    annotations: list[Annotation]
    groups: list[GroupTest]
    neighbours: list[Neighbour]
    highways: list[Highway]
    chain: list[Link]
    histogram: list[int]
    variance: Variance | None = None
    axis: Axis | None = None
    string: Density | None = None
    stability: Stability | None = None
    nearest: Nearest | None = None
    patching: Patching | None = None
    damage: list[Damage]
    steering: Steered | None = None
    responses: Answers | None = None
    odds: list[Odds]
    remarks: list[Remark]
