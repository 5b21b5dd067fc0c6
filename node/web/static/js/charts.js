// Charts read their numbers from the table beside them: one source, and a readable page without scripts.
// Two settings make ECharts fit "style-src 'self'": the canvas renderer, and tooltips drawn as richText (not HTML).
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const ink = css("--ld-ink"), ink2 = css("--ld-ink-2"), line = css("--ld-line"), font = getComputedStyle(document.body).fontFamily;
const text = { fontFamily: font, fontSize: 12, color: ink2 };
const tooltip = { renderMode: "richText", backgroundColor: "#1b2430", borderWidth: 0, padding: [6, 10], textStyle: { ...text, color: "#fff" }, confine: true };
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

function rows(table) {
  const head = [...table.tHead.rows[0].cells].map((c) => c.textContent.trim());
  const body = [...table.tBodies[0].rows].map((r) => [...r.cells].map((c, i) => (i ? Number(c.textContent) : c.textContent.trim())));
  return { head, body };
}

const LEVELS = ["#4d86c9", "#24476f", "#0f2a4a", "#8a93a1"];

const charts = {
  // Where matters registered at each level were settled.
  flow({ head, body }) {
    const sinks = head.slice(1), unit = document.documentElement.lang === "en" ? "" : "件";
    const sum = (numbers) => numbers.reduce((x, y) => x + y, 0);
    const total = sinks.map((_, i) => sum(body.map((row) => row[i + 1])));
    const whole = sum(total);
    // Nodes are keyed by side and place, since both sides may carry the same words.
    const word = Object.fromEntries([...body.map((row, i) => [`from${i}`, row[0]]), ...sinks.map((name, i) => [`to${i}`, name])]);
    return {
      tooltip: { ...tooltip, formatter: (p) => p.dataType === "edge" ? `${word[p.data.source]} → ${word[p.data.target]}  ${p.value}${unit}` : `${word[p.name]}  ${p.value}${unit}` },
      series: [{
        type: "sankey", animation: false, left: 96, right: 148, top: 10, bottom: 12, nodeWidth: 12, nodeGap: 14, layoutIterations: 0, draggable: false, emphasis: { focus: "adjacency" },
        data: [
          ...body.map((row, i) => sum(row.slice(1)) && ({ name: `from${i}`, itemStyle: { color: LEVELS[i] }, label: { position: "left", formatter: `{n|${row[0]}}\n{v|${sum(row.slice(1))}}` } })),
          ...sinks.map((name, i) => total[i] && ({ name: `to${i}`, itemStyle: { color: LEVELS[i] }, label: { position: "right", formatter: `{n|${name}}  {v|${total[i]}}  {p|${(100 * total[i] / whole).toFixed(1)}%}` } })),
        ].filter(Boolean),
        links: body.flatMap((row, r) => sinks.map((_, i) => ({ source: `from${r}`, target: `to${i}`, value: row[i + 1] }))).filter((l) => l.value),
        lineStyle: { color: "source", opacity: 0.28, curveness: 0.5 },
        label: { ...text, rich: { n: { ...text, color: ink }, v: { ...text, color: ink, fontWeight: 600 }, p: { ...text } } },
      }],
    };
  },
  // Registered (bars, the running month lighter and hatched) and closed (line) by month.
  trend({ head, body }) {
    const last = body.length - 1;
    return {
      tooltip: { ...tooltip, trigger: "axis", axisPointer: { type: "shadow" } },
      legend: { top: 4, left: 8, itemWidth: 14, itemHeight: 8, textStyle: text, data: head.slice(1), selectedMode: false },
      grid: { left: 40, right: 12, top: 38, bottom: 30 },
      xAxis: { type: "category", data: body.map((r) => r[0].replace(/^\d\d-0?/, "")), axisLine: { lineStyle: { color: line } }, axisTick: { show: false }, axisLabel: { ...text, interval: 0 } },
      yAxis: { type: "value", splitNumber: 3, axisLabel: text, splitLine: { lineStyle: { color: line } } },
      series: [
        { name: head[1], type: "bar", barWidth: "52%", itemStyle: { color: "#5f93d0" }, data: body.map((r, i) => i === last ? { value: r[1], itemStyle: { color: "#dbe7f6", decal: { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 5], rotation: Math.PI / 4, color: "#5f93d0" } } } : r[1]) },
        { name: head[2], type: "line", symbol: "circle", symbolSize: 6, lineStyle: { width: 2 }, itemStyle: { color: "#14498c" }, data: body.map((r) => r[2]) },
      ],
    };
  },
};

const drawn = new Map();

function draw(box) {
  const table = document.querySelector(box.dataset.table);
  const { head, body } = rows(table);
  const empty = body.every((row) => row.slice(1).every((n) => !n));
  const narrow = box.dataset.chart === "flow" && box.clientWidth < 420; // no room for its words: the table says it all
  box.hidden = empty || narrow || table.classList.contains("shown");
  if (empty || narrow) { table.classList.add("shown"); return; }
  let chart = drawn.get(box);
  if (!chart) {
    chart = echarts.init(box, null, { renderer: "canvas" });
    drawn.set(box, chart);
    new ResizeObserver(() => chart.resize()).observe(box);
  }
  chart.setOption({ animation: !still, animationDuration: 300, ...charts[box.dataset.chart]({ head, body }) });
}

document.querySelectorAll("[data-chart]").forEach(draw);
document.addEventListener("liandong:taken", (event) => {
  const box = document.querySelector(`[data-table="#${event.detail.id}"]`);
  if (box) draw(box);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-toggle]");
  if (!button) return;
  const table = document.querySelector(button.dataset.toggle);
  button.setAttribute("aria-expanded", table.classList.toggle("shown"));
  table.previousElementSibling.hidden = table.classList.contains("shown");
});
