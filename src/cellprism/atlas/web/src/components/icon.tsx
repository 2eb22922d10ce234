// Line icons on a 20 x 20 grid.
const shapes = {
  moon: "M16.5 12.2A7 7 0 0 1 7.8 3.5a7 7 0 1 0 8.7 8.7Z",
  sun: "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7ZM10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6 16 16M4 16l1.4-1.4M14.6 5.4 16 4",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  home: "M4 8V4h4M16 8V4h-4M4 12v4h4M16 12v4h-4",
  lasso: "M10 3.5c4 0 7 2 7 4.7s-3 4.6-7 4.6-7-2-7-4.6 3-4.7 7-4.7ZM6.2 12.2c-1.4.6-1.6 2.2-.3 2.7 1.4.5 1.6 1.6.6 2.6",
  frame: "M3.5 7V3.5H7M13 3.5h3.5V7M16.5 13v3.5H13M7 16.5H3.5V13M8 10h4M10 8v4",
  down: "M10 3.5v9M6 9l4 4 4-4M4 16.5h12",
  left: "M12.5 4.5 7 10l5.5 5.5",
  right: "M7.5 4.5 13 10l-5.5 5.5",
  search: "M8.7 3.5a5.2 5.2 0 1 0 0 10.4 5.2 5.2 0 0 0 0-10.4ZM12.6 12.6 17 17",
  source: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM10 9v4.5M10 6.4v.1",
  pen: "M4 16l.8-3.4L13.4 4a1.6 1.6 0 0 1 2.4 0l.2.2a1.6 1.6 0 0 1 0 2.4L7.4 15.2 4 16Z",
  menu: "M3.5 6h13M3.5 10h13M3.5 14h13",
  close: "M5 5l10 10M15 5 5 15",
  map: "M10 3.5c-2.5 0-4.3 1.8-4.3 4.2 0 3.1 4.3 8.8 4.3 8.8s4.3-5.7 4.3-8.8c0-2.4-1.8-4.2-4.3-4.2ZM10 6.4a1.4 1.4 0 1 0 0 2.8 1.4 1.4 0 0 0 0-2.8Z",
} as const;

export function Icon({ name }: { name: keyof typeof shapes }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d={shapes[name]} />
    </svg>
  );
}

export function Prism() {
  return (
    <svg class="prism" viewBox="0 0 40 24" aria-hidden="true">
      <path class="prism-in" d="M0 14 13 11" />
      <path stroke="#d55e00" d="M23 9 40 6" />
      <path stroke="#e69f00" d="M23.6 11 40 10" />
      <path stroke="#009e73" d="M24.2 13 40 14" />
      <path stroke="#0072b2" d="M24.8 15 40 18" />
      <path class="prism-body" d="M18 2.5 28.5 21h-21Z" />
    </svg>
  );
}
