"""The questions that a served atlas answers beside its files, with their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

if TYPE_CHECKING:
    from cellprism.atlas.files import Atlas

MOST = 500
"""Rows of a page at most."""


class RunItem(BaseModel):
    id: str
    title: str
    layers: list[int]


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


class FeaturePage(BaseModel):
    total: int
    offset: int
    limit: int
    items: list[FeatureItem]


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


class Highway(BaseModel):
    """A feature of a later layer that fires at the same positions."""

    layer: int
    feature: int
    count: int | None
    pmi: float | None
    q: float | None
    label: GeneSet | None


class Link(BaseModel):
    """A feature of a chain, and its cosine with the one before."""

    layer: int
    feature: int
    cosine: float | None
    label: GeneSet | None


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


class GeneFeature(BaseModel):
    layer: int
    feature: int
    rank: int
    lower: float | None
    fired: int | None
    seen: int | None
    label: GeneSet | None


class Gene(BaseModel):
    symbol: str
    id: str
    n_seen: int | None
    features: list[GeneFeature]


RunId = Annotated[str, Path(description="id of a run, as /api/runs lists it")]
Layer = Annotated[int, Path(description="layer, counted from 0")]


def routes(atlas: Atlas) -> APIRouter:
    """The endpoints under ``/api`` for one atlas. They raise `Missing` for what is not there."""
    router = APIRouter(prefix="/api")

    @router.get("/runs", summary="The runs of this atlas")
    def runs() -> list[RunItem]:
        return [RunItem(id=run.id, title=run.title, layers=run.layers) for run in atlas.runs]

    @router.get("/runs/{run}/layers/{layer}/features", summary="Features of a layer, page by page")
    def features(
        run: RunId,
        layer: Layer,
        offset: Annotated[int, Query(ge=0, description="features to leave out first")] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST, description="features at most")] = 100,
    ) -> FeaturePage:
        total, rows = atlas.run(run).features(layer, offset, limit)
        return FeaturePage(total=total, offset=offset, limit=limit, items=[FeatureItem(**row) for row in rows])

    @router.get("/runs/{run}/layers/{layer}/features/{feature}", summary="Everything about one feature")
    def feature(run: RunId, layer: Layer, feature: int) -> Feature:
        return Feature(**atlas.run(run).feature(layer, feature))

    @router.get("/runs/{run}/genes/{symbol}", summary="The features of which a gene is a top gene")
    def gene(run: RunId, symbol: str) -> Gene:
        return Gene(**atlas.run(run).gene(symbol))

    return router

