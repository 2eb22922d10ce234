// One link per layer.
interface Props {
  layers: number[];
  current: number;
  href: (layer: number) => string;
}

export function LayerTabs({ layers, current, href }: Props) {
  return (
    <nav class="layer-tabs" aria-label="Layers">
      {layers.map((layer) => (
        <a href={`#${href(layer)}`} aria-current={layer === current ? "page" : undefined} aria-label={`Layer ${layer}`}>{layer}</a>
      ))}
    </nav>
  );
}
