"""How the pages look. Nothing is told by colour alone: symbols, words, direction and hatching say it too."""

STYLE = """
:root { color-scheme: light; --ink: #1c2530; --dim: #64707d; --rule: #dde2e7; --paper: #fff; --wash: #f6f7f8;
  --ok: #2c6693; --bar: #a9c5db; --bad: #b93d0c; --odd: #6f559b; --warn: #a66a12; --broken: #f3dcc8;
  --mending: #faf3e4; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 34px 28px 80px; max-width: 1264px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
h1, h2, h3 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, "DejaVu Serif", serif;
  font-weight: 600; line-height: 1.2; margin: 0; }
h1 { font-size: 32px; letter-spacing: -.01em; }
h2 { font-size: 23px; }
h3 { font-size: 15px; margin: 24px 0 6px; }
p { margin: 6px 0; max-width: 82ch; }
a { color: var(--ok); text-decoration: none; }
a:hover { text-decoration: underline; }
code, pre { font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.dim { color: var(--dim); }
.lead { font-size: 17px; margin: 10px 0 4px; }
.when { color: var(--dim); margin: 4px 0 0; }

.facts { display: grid; grid-template-columns: repeat(3, 1fr); gap: 18px 32px; margin: 22px 0 30px; padding: 16px 0;
  border-top: 2px solid var(--ink); border-bottom: 1px solid var(--rule); font-size: 13px; }
.facts h3 { margin: 0 0 6px; font-size: 13.5px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 1px 14px; margin: 0; }
dt { color: var(--dim); }
dd { margin: 0; overflow-wrap: anywhere; }

table { border-collapse: collapse; width: 100%; font-size: 13px; margin: 8px 0; }
th { text-align: left; font-weight: 600; color: var(--dim); vertical-align: bottom; line-height: 1.3; }
th, td { padding: 5px 8px; border-bottom: 1px solid var(--rule); }
thead th { border-bottom: 1.5px solid var(--ink); }
td { vertical-align: top; }
.n { text-align: right; white-space: nowrap; }
.c { text-align: center; }
.group { border-left: 1px solid var(--rule); }
tbody tr:hover td { background: var(--wash); }
.over { line-height: 1.35; }
.over td, .over th { padding: 5px 7px; }
.over th.n { white-space: normal; }
.over th.load { width: 82px; }
.over td.n small { display: block; color: var(--dim); font-size: 11.5px; }
.over .zero { color: #9aa4ae; }
.over td.h1 { background: #fdf6ea; } .over td.h2 { background: #fbead0; }
.over td.h3 { background: #f6d7ae; } .over td.h4 { background: #eebf8a; }
.over .span { font-weight: 400; font-size: 12px; padding-bottom: 2px; border-bottom: 0; }
.over thead tr:first-child th { border-bottom: 0; }
.over td a { font-weight: 600; }
.loads td:first-child { white-space: nowrap; }
.words td { line-height: 1.4; }
.words td:last-child { color: var(--dim); }

.chip { display: inline-block; white-space: nowrap; font-size: 12px; font-weight: 600; line-height: 1.5;
  padding: 1px 9px 1px 7px;
  border-radius: 10px; border: 1px solid; }
.chip.valid { color: var(--ok); border-color: #b9cfe0; background: #f2f7fb; }
.chip.invalid { color: #fff; border-color: var(--bad); background: var(--bad); }
.chip.unknown { color: var(--odd); border-color: var(--odd); border-style: dashed; background: #f8f5fc; }
.odd { color: var(--bad); font-weight: 600; white-space: nowrap; font-size: 12px; }

section { margin-top: 54px; padding-top: 18px; border-top: 2px solid var(--ink); }
section header { display: flex; align-items: baseline; gap: 12px; flex-wrap: wrap; }
section header .top { margin-left: auto; font-size: 13px; }
.story { margin: 10px 0 0; padding: 0; list-style: none; display: grid; grid-template-columns: max-content 1fr;
  gap: 4px 18px; }
.story dt { color: var(--dim); font-size: 13px; line-height: 22px; }
.story dd { min-width: 0; overflow-wrap: anywhere; }
.story ul { margin: 0; padding: 0; list-style: none; }
.trouble { border-left: 3px solid var(--bad); padding: 2px 0 2px 12px; margin: 10px 0; overflow-wrap: anywhere; }
figure { margin: 18px 0 6px; }
figcaption { display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 12px; color: var(--dim); margin: 0 0 2px; }
figcaption svg { height: 12px; width: 18px; vertical-align: -1px; margin-right: 5px; overflow: visible; }
details { margin: 8px 0; font-size: 13.5px; }
summary { cursor: pointer; color: var(--ok); }
details ol { margin: 6px 0; padding-left: 30px; }
details li { margin: 2px 0; }
details code { white-space: pre-wrap; overflow-wrap: anywhere; }
.files { max-width: none; font-size: 13px; color: var(--dim); }

svg.timeline { display: block; width: 100%; height: auto; font: 11px system-ui, "Segoe UI", "Helvetica Neue",
  "Liberation Sans", Arial, sans-serif; }
svg text { fill: var(--ink); }
svg .name { text-anchor: end; font-size: 12.5px; font-weight: 600; }
svg .small { text-anchor: end; font-size: 10.5px; fill: var(--dim); }
svg .hit { text-anchor: end; font-size: 10.5px; fill: var(--bad); font-weight: 600; }
svg .side { font-size: 10.5px; fill: var(--dim); }
svg .tick { text-anchor: middle; fill: var(--dim); }
svg .phase { font-weight: 600; }
svg .grid { stroke: #1c2530; stroke-opacity: .08; fill: none; }
svg .base { stroke: #aab3bc; fill: none; }
svg .rail { stroke: #c6cdd4; fill: none; }
svg .mark { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 2 2; fill: none; }
svg .broken { fill: var(--broken); } svg .mending { fill: var(--mending); }
svg .ok { fill: var(--bar); } svg .failed { fill: var(--bad); } svg .unknown { fill: url(#hatch);
  stroke: var(--odd); stroke-width: .6; }
svg .latency { stroke: #1f4666; stroke-width: 1; fill: none; stroke-linejoin: round; }
svg .bracket { stroke: var(--bad); stroke-width: 1.2; fill: none; }
svg .gap { fill: var(--bad); font-weight: 600; paint-order: stroke; stroke: #fff; stroke-width: 3px;
  stroke-opacity: .85; }
svg .tip, svg .away { fill: transparent; } svg .away { fill: url(#gone); stroke: #8b95a0; stroke-width: .6; }
svg .sym { stroke-width: 1.6; stroke: var(--ink); fill: #fff; stroke-linejoin: round; }
svg .sym.bad { stroke: var(--bad); fill: #f7d9c9; stroke-width: 2; } svg .sym.warn { stroke: var(--warn);
  fill: #fbe9c7; stroke-width: 2; }
svg .sym.good { stroke: var(--ok); fill: #cfe0ee; } svg .sym.note { stroke: var(--odd); fill: #e6def2; }
svg .sym.stopped { stroke: #6b7682; fill: #dfe3e7; } svg .sym.plain { stroke: #8b95a0; stroke-width: 1.1; }
svg .label { fill: var(--dim); font-size: 10.5px; paint-order: stroke; stroke: #fff; stroke-width: 3px;
  stroke-opacity: .7; } svg .label.bad { fill: var(--bad); font-weight: 600; }
  svg .label.warn { fill: var(--warn); }
.facts.two { grid-template-columns: 1fr 1fr; }
.narrow { width: auto; min-width: 640px; }
.pair { display: block; height: 16px; width: 150px; }
.pair .a { fill: var(--bar); } .pair .b { fill: #1f4666; }
.pair.small { display: inline-block; width: 14px; height: 10px; }
.better { color: var(--ok); font-weight: 600; } .worse { color: var(--bad); font-weight: 600; }
.defs { position: absolute; width: 0; height: 0; }

@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { padding: 0; max-width: none; font-size: 12px; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  section { break-before: page; margin-top: 0; border-top: 0; }
  figure, tr { break-inside: avoid; }
  svg.timeline { max-height: 112mm; }
  h2, h3 { break-after: avoid; }
  thead { display: table-header-group; }
  .top { display: none; }
}
"""
