// One link per layer.
interface Props {
  layers: number[];
  current: number;
  href: (layer: number) => string;
  /** what the links are for, where a page has several such rows */
  label?: string;
}

export function LayerTabs({ layers, current, href, label = "Layers" }: Props) {
  return (
    <nav class="layer-tabs" aria-label={label}>
      {layers.map((layer) => (
        <a href={`#${href(layer)}`} aria-current={layer === current ? "page" : undefined} aria-label={`Layer ${layer}`}>{layer}</a>
      ))}
    </nav>
  );
}
