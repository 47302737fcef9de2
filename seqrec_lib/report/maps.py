"""Drawings of item vectors on a plane: a figure, and a page that answers the pointer.

The interactive map is one piece of HTML with its points inside: it loads nothing, so it works from
the built book without a network. Plotly's smallest bundle is over a megabyte; what is needed of it
fits in sixty lines.
"""

from __future__ import annotations

import html
import json

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

# Okabe and Ito's palette and a shape each, for readers in grey; the last is everything else
LOOKS = (
    *(("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "^"), ("#D55E00", "D"), ("#CC79A7", "v")),
    *(("#56B4E9", "P"), ("#000000", "X"), ("#BBBBBB", ".")),
)
OTHER = "other"


def groups(label: pd.Series, most: int = len(LOOKS) - 1) -> tuple[np.ndarray, list[str]]:
    """A number for each row's label and the labels' names; beyond the ``most`` frequent: other.

    >>> groups(pd.Series(["a", "b", "a", "c"]), most=1)
    (array([0, 1, 0, 1]), ['a', 'other'])
    """
    names = [str(name) for name in label.value_counts(sort=True).index[:most]]
    number = label.astype(str).map({name: at for at, name in enumerate(names)})
    found = number.fillna(len(names)).astype(int).to_numpy()
    return found, names + [OTHER] * bool((found == len(names)).any())


def by_label(ax: Axes, points: pd.DataFrame, label: str, most: int = len(LOOKS) - 1) -> None:
    """The map in colours and shapes of the most frequent values of a column."""
    number, names = groups(points[label], most)
    looks = [*LOOKS[: len(names) - 1], LOOKS[-1]] if names[-1] == OTHER else LOOKS
    for at in reversed(range(len(names))):  # what is left over lies below
        own = points[number == at]
        colour, shape = looks[at]
        ax.scatter(own["x"], own["y"], s=5, c=colour, marker=shape, lw=0, label=names[at])
    handles, texts = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], texts[::-1], fontsize=7, markerscale=2.5, title=label,
              loc="upper left", bbox_to_anchor=(1, 1))  # fmt: skip
    _bare(ax, points)


def by_popularity(ax: Axes, points: pd.DataFrame) -> None:
    """The map from light (rarely seen) to dark (often)."""
    order = points.sort_values("popularity")
    drawn = ax.scatter(order["x"], order["y"], s=5, c=order["popularity"].clip(lower=1), lw=0,
                       cmap="cividis_r", norm=LogNorm())  # fmt: skip
    ax.figure.colorbar(drawn, ax=ax, label="training events of the item", shrink=0.8)
    _bare(ax, points)


def _bare(ax: Axes, points: pd.DataFrame) -> None:
    """Places on the plane have no unit; a hundredth at the edges, far off, is left out."""
    for axis, limits in (("x", ax.set_xlim), ("y", ax.set_ylim)):
        low, high = points[axis].quantile([0.005, 0.995])
        limits(low - 0.05 * (high - low) - 1e-3, high + 0.05 * (high - low) + 1e-3)
    ax.set(xticks=[], yticks=[], xlabel="first coordinate, no unit", ylabel="second coordinate")
    ax.grid(False)


def interactive(points: pd.DataFrame, label: str, height: int = 520) -> str:
    """HTML of a map: the pointer shows an item, its label and its popularity; the wheel zooms.

    ``points`` has columns ``item``, ``x``, ``y``, ``popularity`` and ``label``.
    """
    number, names = groups(points[label])
    looks = [look[0] for look in LOOKS[: len(names)]]
    if names[-1] == OTHER:
        looks[-1] = LOOKS[-1][0]
    own = points[label].astype(str)
    kinds = sorted(own.unique())
    place = {name: at for at, name in enumerate(kinds)}
    data = {
        "label": label, "names": names, "colours": looks, "kinds": kinds,
        "item": points["item"].astype(str).tolist(),
        "x": [round(float(x), 2) for x in points["x"]],
        "y": [round(float(y), 2) for y in points["y"]],
        "popularity": points["popularity"].astype(int).tolist(),
        "group": number.tolist(), "kind": [place[name] for name in own],
    }  # fmt: skip
    # a label may hold anything: no tag may end the script
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    page = _PAGE.replace("@LABEL@", html.escape(label)).replace("@DATA@", text)
    return (
        f'<div><iframe title="Map of items: hover to see one" srcdoc="{html.escape(page)}" '
        f'width="100%" height="{height}" style="border:1px solid #ccc"></iframe></div>'
    )


_PAGE = """<!doctype html><meta charset="utf-8"><style>
body{margin:0;font:13px sans-serif;color:#222;background:#fff}
#bar{height:26px;padding:5px 8px;box-sizing:border-box}
#tip{position:absolute;display:none;background:#fff;border:1px solid #555;padding:4px 7px;
pointer-events:none;white-space:nowrap}
#key{position:absolute;right:6px;top:30px;background:#fffc;padding:4px;font-size:12px}
#key i{display:inline-block;width:10px;height:10px;margin-right:5px}
body{overflow:hidden}canvas{display:block;cursor:crosshair}
</style><div id="bar"><label>colour by <select id="by"><option value="group">@LABEL@</option>
<option value="popularity">popularity</option></select></label> &nbsp; wheel: zoom, drag: move,
double click: back</div><canvas id="map"></canvas><div id="key"></div><div id="tip"></div><script>
const d=@DATA@, n=d.x.length, canvas=document.getElementById("map"), pen=canvas.getContext("2d"),
  tip=document.getElementById("tip"), by=document.getElementById("by"),
  key=document.getElementById("key"), top10=Math.log(Math.max(...d.popularity)+1);
let view, drag=null;
const shade=p=>{const t=Math.log(p+1)/top10; // cividis, light to dark
  return `rgb(${[[253,0],[231,34],[55,78]].map(([a,b])=>Math.round(a+(b-a)*t))})`};
const px=x=>(x-view.x)*view.s+canvas.width/2, py=y=>(view.y-y)*view.s+canvas.height/2;
function whole(){const lo=a=>a.reduce((m,v)=>Math.min(m,v)), hi=a=>a.reduce((m,v)=>Math.max(m,v));
  const x=[lo(d.x),hi(d.x)], y=[lo(d.y),hi(d.y)];
  view={x:(x[0]+x[1])/2,y:(y[0]+y[1])/2,
    s:.95*Math.min(canvas.width/(x[1]-x[0]||1),canvas.height/(y[1]-y[0]||1))}}
function draw(){pen.clearRect(0,0,canvas.width,canvas.height);
  const kind=by.value=="group", last=kind?d.group.map(g=>-g):d.popularity;
  for(const i of [...Array(n).keys()].sort((a,b)=>last[a]-last[b])){ // the most telling on top
    pen.fillStyle=kind?d.colours[d.group[i]]:shade(d.popularity[i]);
    pen.fillRect(px(d.x[i])-2,py(d.y[i])-2,4,4)}
  key.textContent="";
  const rows=kind?d.names.map((name,i)=>[d.colours[i],name])
    :[1,10,100,1000,10000].filter(p=>p<Math.exp(top10)).map(p=>[shade(p),p+" events"]);
  for(const [colour,name] of rows){const row=document.createElement("div"),
    box=document.createElement("i"); box.style.background=colour;
    row.append(box,name); key.append(row)}}
function fit(){canvas.width=innerWidth;canvas.height=innerHeight-26;whole();draw()}
canvas.onmousemove=e=>{if(drag){view.x-=(e.offsetX-drag[0])/view.s;view.y+=(e.offsetY-drag[1])/view.s;
    drag=[e.offsetX,e.offsetY];draw()}
  let best=-1,far=100;
  for(let i=0;i<n;i++){const a=px(d.x[i])-e.offsetX,b=py(d.y[i])-e.offsetY,r=a*a+b*b;
    if(r<far){far=r;best=i}}
  tip.style.display=best<0?"none":"block"; if(best<0)return;
  tip.textContent=d.item[best]+" | "+d.label+": "+d.kinds[d.kind[best]]+" | "+
    d.popularity[best]+" training events";
  tip.style.top=Math.min(e.clientY+14,innerHeight-30)+"px";
  tip.style.left=Math.max(0,Math.min(e.clientX+12,innerWidth-tip.offsetWidth-4))+"px"};
canvas.onmouseleave=()=>{tip.style.display="none";drag=null};
canvas.onmousedown=e=>drag=[e.offsetX,e.offsetY]; canvas.onmouseup=()=>drag=null;
canvas.ondblclick=()=>{whole();draw()};
canvas.onwheel=e=>{e.preventDefault();const f=Math.exp(-e.deltaY/400),
  x=(e.offsetX-canvas.width/2)/view.s,y=(e.offsetY-canvas.height/2)/view.s;
  view.s*=f;view.x+=x*(1-1/f);view.y-=y*(1-1/f);draw()};
by.onchange=draw; onresize=fit; fit();
</script>"""
