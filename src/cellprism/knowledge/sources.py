"""Where reference biology comes from: the addresses that its makers publish, and under what licence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Files that are used together.

    Attributes
    ----------
    name
        What a configuration calls it.
    title
        What it is.
    kind
        ``gene sets``, ``network`` or ``gene names``.
    version
        Release that the addresses lead to; ``current`` where they lead to the newest.
    licence
        As its makers state it.
    home
        Page with the terms.
    files
        File name in the cache -> address.
    restricted
        The licence forbids some uses, so that it has to be accepted.
    """

    name: str
    title: str
    kind: str
    version: str
    licence: str
    home: str
    files: dict[str, str]
    restricted: bool = False


SOURCES = {source.name: source for source in (
    Source(
        "go", "Gene Ontology, human annotations", "gene sets", "current", "CC BY 4.0",
        "https://geneontology.org/docs/go-citation-policy/",
        {
            "go-basic.obo": "https://current.geneontology.org/ontology/go-basic.obo",
            "goa_human.gaf.gz": "https://current.geneontology.org/annotations/goa_human.gaf.gz",
        },
    ),
    Source(
        "reactome", "Reactome pathways", "gene sets", "current", "CC0 1.0", "https://reactome.org/license",
        {"ReactomePathways.gmt": "https://reactome.org/download/current/ReactomePathways.gmt.zip"},
    ),
    Source(
        "kegg", "KEGG pathways, REST tables", "gene sets", "current",
        "KEGG: academic use by academic users only, no redistribution", "https://www.kegg.jp/kegg/legal.html",
        {
            "link_pathway_hsa.tsv": "https://rest.kegg.jp/link/pathway/hsa",
            "list_pathway_hsa.tsv": "https://rest.kegg.jp/list/pathway/hsa",
            "list_hsa.tsv": "https://rest.kegg.jp/list/hsa",
        },
        restricted=True,
    ),
    Source(
        "kegg-enrichr", "KEGG pathways, Enrichr's library of 2021", "gene sets", "2021",
        "KEGG: academic use by academic users only, no redistribution", "https://www.kegg.jp/kegg/legal.html",
        {
            "KEGG_2021_Human.gmt":
            "https://maayanlab.cloud/Enrichr/geneSetLibrary?mode=text&libraryName=KEGG_2021_Human",
        },
        restricted=True,
    ),
    Source(
        "trrust", "TRRUST, targets of transcription factors", "gene sets", "2", "CC BY-SA 4.0",
        "https://www.grnpedia.org/trrust/",
        {"trrust_rawdata.human.tsv": "https://www.grnpedia.org/trrust/data/trrust_rawdata.human.tsv"},
    ),
    Source(
        "collectri", "CollecTRI, targets of transcription factors", "gene sets", "2", "CC BY 4.0",
        "https://zenodo.org/records/8192729",
        {"CollecTRI_regulons.csv": "https://zenodo.org/records/8192729/files/CollecTRI_regulons.csv"},
    ),
    Source(
        "panglaodb", "PanglaoDB, markers of cell types", "gene sets", "2020-03-27", "free; cite the paper",
        "https://panglaodb.se/",
        {
            "PanglaoDB_markers_27_Mar_2020.tsv.gz":
            "https://panglaodb.se/markers/PanglaoDB_markers_27_Mar_2020.tsv.gz",
        },
    ),
    Source(
        "cellmarker", "CellMarker 1.0, markers of human cell types by tissue", "gene sets", "1.0",
        "not stated by its makers; cite the paper", "http://xteam.xbio.top/CellMarker/",
        {"Human_cell_markers.txt": "http://xteam.xbio.top/CellMarker/download/Human_cell_markers.txt"},
    ),
    Source(
        "string", "STRING, functional associations of human proteins", "network", "12.0", "CC BY 4.0",
        "https://string-db.org/cgi/access",
        {
            "9606.protein.links.v12.0.txt.gz":
            "https://stringdb-downloads.org/download/protein.links.v12.0/9606.protein.links.v12.0.txt.gz",
            "9606.protein.info.v12.0.txt.gz":
            "https://stringdb-downloads.org/download/protein.info.v12.0/9606.protein.info.v12.0.txt.gz",
        },
    ),
    Source(
        "hgnc", "HGNC, approved, previous and alias symbols", "gene names", "current", "CC0 1.0",
        "https://www.genenames.org/about/license/",
        {
            "hgnc_complete_set.txt":
            "https://storage.googleapis.com/public-download-files/hgnc/tsv/tsv/hgnc_complete_set.txt",
        },
    ),
)}
