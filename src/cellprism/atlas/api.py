"""The questions that a served atlas answers beside its files, with their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from cellprism.atlas.feature_record import Feature, FeatureItem, GeneSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.atlas.files import Atlas

MOST = 500
"""Rows of a page at most."""


Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A part of a list: ``total`` rows in all, of which ``items`` begins after ``offset``."""

    total: int
    offset: int
    limit: int
    items: list[Item]


class Fault(BaseModel):
    """What was wrong with a request, in a sentence."""

    detail: str


class RunItem(BaseModel):
    id: str
    title: str
    layers: list[int]


class GeneFeature(BaseModel):
    layer: int
    feature: int
    rank: int
    lower: float | None
    fired: int | None
    seen: int | None
    label: GeneSet | None


class GeneItem(BaseModel):
    symbol: str
    id: str
    n_seen: int | None


class Gene(GeneItem):
    features: Page[GeneFeature]


class TermItem(GeneSet):
    id: int


class TermFeature(BaseModel):
    layer: int
    feature: int
    overlap: int | None
    n_genes: int | None
    term_size: int | None
    genes: list[str]
    effect: float | None
    p: float | None
    q: float | None


class LayerCount(BaseModel):
    """Features of a layer that carry a gene set at q < 0.05."""

    layer: int
    n_features: int


class TermRecord(TermItem):
    """A gene set, and the features that share genes with it, smallest q first; 300 of them at most."""

    n_tests: int
    layers: list[LayerCount]
    features: Page[TermFeature]


class GroupItem(BaseModel):
    id: int
    key: str
    value: str


class GroupFeature(BaseModel):
    layer: int
    feature: int
    n_units: int
    unit: str
    auroc: float | None
    log_ratio: float | None
    p: float | None
    q: float | None
    label: GeneSet | None


class Module(BaseModel):
    module: int
    n_features: int
    features: list[int]
    n_edges: int | None
    stability: float | None
    term: GeneSet | None
    n_members_with_term: int | None
    p: float | None
    q: float | None


class TableFile(BaseModel):
    file: str
    address: str
    bytes: int
    sha256: str
    table: str | None = None
    rows: int | None = None
    stage: str | None = None
    names: list[str] | None = None
    notes: dict[str, Any] = {}


RunId = Annotated[str, Path(description="id of a run, as /api/runs lists it")]
Layer = Annotated[int, Path(description="layer, counted from 0")]
Offset = Annotated[int, Query(ge=0, description="rows to leave out first")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="rows at most")]
Search = Annotated[str, Query(max_length=200, description="what the name must contain, in any case; empty for all")]


def page(rows: Sequence[Any], offset: int, limit: int) -> dict[str, Any]:
    """The part of a list that was asked for, as a `Page`."""
    return {"total": len(rows), "offset": offset, "limit": limit, "items": rows[offset : offset + limit]}


def routes(atlas: Atlas) -> APIRouter:
    """The endpoints under ``/api`` for one atlas. They raise `Missing` for what is not there."""
    router = APIRouter(prefix="/api", responses={404: {"description": "The atlas has no such thing.", "model": Fault}})

    @router.get("/runs", summary="The runs of this atlas")
    def runs(offset: Offset = 0, limit: Limit = 100) -> Page[RunItem]:
        found = [{"id": run.id, "title": run.title, "layers": run.layers} for run in atlas.runs]
        return Page[RunItem](**page(found, offset, limit))

    @router.get("/runs/{run}/layers/{layer}/features", summary="Features of a layer, page by page")
    def features(run: RunId, layer: Layer, offset: Offset = 0, limit: Limit = 100) -> Page[FeatureItem]:
        total, rows = atlas.run(run).features(layer, offset, limit)
        return Page[FeatureItem](total=total, offset=offset, limit=limit, items=[FeatureItem(**row) for row in rows])

    @router.get("/runs/{run}/layers/{layer}/features/{feature}", summary="Everything about one feature")
    def feature(run: RunId, layer: Layer, feature: int) -> Feature:
        return Feature(**atlas.run(run).feature(layer, feature))

    @router.get("/runs/{run}/layers/{layer}/modules", summary="The modules of a layer")
    def modules(run: RunId, layer: Layer, offset: Offset = 0, limit: Limit = 100) -> Page[Module]:
        return Page[Module](**page(atlas.run(run).modules(layer), offset, limit))

    @router.get("/runs/{run}/genes", summary="Genes by a part of their symbol or identifier")
    def genes(run: RunId, search: Search = "", offset: Offset = 0, limit: Limit = 100) -> Page[GeneItem]:
        return Page[GeneItem](**page(atlas.run(run).find_genes(search), offset, limit))

    @router.get("/runs/{run}/genes/{symbol}", summary="The features of which a gene is a top gene")
    def gene(run: RunId, symbol: str, offset: Offset = 0, limit: Limit = 100) -> Gene:
        found = atlas.run(run).gene(symbol)
        return Gene(**{**found, "features": page(found["features"], offset, limit)})

    @router.get("/runs/{run}/terms", summary="Gene sets by the words of their name")
    def terms(run: RunId, search: Search = "", offset: Offset = 0, limit: Limit = 100) -> Page[TermItem]:
        return Page[TermItem](**page(atlas.run(run).find_terms(search), offset, limit))

    @router.get("/runs/{run}/terms/{term}", summary="The features that carry a gene set")
    def term(run: RunId, term: int, offset: Offset = 0, limit: Limit = 100) -> TermRecord:
        found = atlas.run(run).term(term)
        return TermRecord(**{**found, "features": page(found["features"], offset, limit)})

    @router.get("/runs/{run}/groups", summary="The groups of cells")
    def groups(run: RunId, offset: Offset = 0, limit: Limit = 100) -> Page[GroupItem]:
        return Page[GroupItem](**page(atlas.run(run).groups(), offset, limit))

    @router.get("/runs/{run}/groups/{group}", summary="The features that tell a group of cells apart")
    def group(run: RunId, group: int, offset: Offset = 0, limit: Limit = 100) -> Page[GroupFeature]:
        return Page[GroupFeature](**page(atlas.run(run).group(group), offset, limit))

    @router.get("/runs/{run}/tables", summary="The Parquet tables of a run")
    def tables(run: RunId, offset: Offset = 0, limit: Limit = 100) -> Page[TableFile]:
        return Page[TableFile](**page(atlas.run(run).tables(), offset, limit))

    return router
