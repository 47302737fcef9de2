"""Drawings of item vectors on a plane: a figure, and a page that answers the pointer.

The interactive map is one piece of HTML with its points inside: it loads nothing, so it works from
the built book without a network. Plotly's smallest bundle is over a megabyte; what is needed of it
fits in a hundred lines.
"""

from __future__ import annotations

import html
import json

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from seqrec_lib.report.axes import SMALL

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
        ax.scatter(own["x"], own["y"], s=5, c=colour, marker=shape, lw=0,
                   label=names[at])  # fmt: skip
    handles, texts = ax.get_legend_handles_labels()
    # below: beside the map it would leave that a strip
    ax.legend(handles[::-1], texts[::-1], fontsize=SMALL, markerscale=2.5, title=label, ncols=2,
              loc="upper center", bbox_to_anchor=(0.5, -0.07))  # fmt: skip
    _bare(ax, points)


def by_popularity(ax: Axes, points: pd.DataFrame) -> None:
    """The map from light (rarely seen) to dark (often)."""
    order = points.sort_values("popularity")
    drawn = ax.scatter(order["x"], order["y"], s=5, c=order["popularity"].clip(lower=1), lw=0,
                       cmap="cividis_r", norm=LogNorm())  # fmt: skip
    ax.figure.colorbar(drawn, ax=ax, label="training events of the item", location="bottom",
                       shrink=0.8)  # fmt: skip
    _bare(ax, points)


def _bare(ax: Axes, points: pd.DataFrame) -> None:
    """Places on the plane have no unit; a hundredth at the edges, far off, is left out."""
    for axis, limits in (("x", ax.set_xlim), ("y", ax.set_ylim)):
        limits(*frame(points[axis]))
    ax.set(xticks=[], yticks=[], xlabel="first coordinate, no unit", ylabel="second coordinate")
    ax.grid(False)


def frame(values: pd.Series) -> tuple[float, float]:
    """What a map shows at first of one axis: all but a hundredth of the points, and a margin."""
    low, high = values.quantile([0.005, 0.995])
    margin = 0.05 * (high - low) + 1e-3
    return float(low - margin), float(high + margin)


def interactive(points: pd.DataFrame, label: str, height: int = 520) -> str:
    """HTML of a map that answers mouse, finger and keyboard, in the light or dark of its page.

    Pointing shows an item, its label and its popularity; dragging moves, two fingers, + and − or
    the wheel with Ctrl zoom: the wheel alone scrolls the page, as everywhere. It opens on the part
    that :func:`frame` gives. ``points`` has columns ``item``, ``x``, ``y``, ``popularity`` and
    ``label``.
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
        "frame": [[round(end, 2) for end in frame(points[axis])] for axis in ("x", "y")],
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
        f'<div><iframe title="Map of {len(points):,} items by {html.escape(label)}" '
        f'srcdoc="{html.escape(page)}" width="100%" height="{height}" '
        f'style="border:1px solid #8888;box-sizing:border-box"></iframe></div>'
    )


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><style>
:root{color-scheme:light;--ink:#222;--ground:#fff;--line:#555;--veil:#fffc}
:root[data-theme=dark]{color-scheme:dark;--ink:#ddd;--ground:#121212;--line:#999;--veil:#121212cc}
body{margin:0;font:13px sans-serif;color:var(--ink);background:var(--ground);overflow:hidden}
#bar{padding:4px 8px}
#bar small{display:block;font-size:12px;margin-top:3px}
button{min-width:28px;height:24px}
#tip{position:absolute;display:none;background:var(--ground);border:1px solid var(--line);
padding:4px 7px;pointer-events:none;max-width:calc(100% - 20px)}
#key{position:absolute;right:6px;bottom:6px;background:var(--veil);padding:4px;font-size:12px;
pointer-events:none}
#key i{display:inline-block;width:10px;height:10px;margin-right:5px}
canvas{display:block;cursor:crosshair;touch-action:pan-y}
canvas:focus-visible{outline:2px solid #56B4E9;outline-offset:-2px}
</style><div id="bar"><label>colour by <select id="by"><option value="group">@LABEL@</option>
<option value="popularity">popularity</option></select></label>
<button id="in" aria-label="zoom in">+</button> <button id="out" aria-label="zoom out">−</button>
<button id="back">whole map</button>
<small>drag to move; arrow keys, + and −, Ctrl and wheel, or two fingers</small></div>
<canvas id="map" tabindex="0" role="application"></canvas><div id="key"></div>
<div id="tip" role="status"></div><script>
const d=@DATA@, n=d.x.length, canvas=document.getElementById("map"), pen=canvas.getContext("2d"),
  tip=document.getElementById("tip"), by=document.getElementById("by"),
  bar=document.getElementById("bar"),
  key=document.getElementById("key"), top10=Math.log(Math.max(...d.popularity)+1),
  fingers=new Map(), prefers=matchMedia("(prefers-color-scheme: dark)");
let view, spread=0, middle=null, dark=false, scale=1, W=1, H=1;
canvas.setAttribute("aria-label","Map of "+n+" items, coloured by "+d.label+
  " or popularity. Arrow keys move, "+
  "plus and minus zoom, 0 shows the whole map; the item in the middle is named.");
const said=p=>p.toLocaleString("en")+(p==1?" event":" events");
const shade=p=>{const t=(1+2*Math.log(p+1)/top10)/3, u=dark?1-t:t; // cividis; the rare are seen too
  return `rgb(${[[253,0],[231,34],[55,78]].map(([a,b])=>Math.round(a+(b-a)*u))})`};
const ink=g=>dark&&d.colours[g]=="#000000"?"#ffffff":dark&&d.colours[g]=="#BBBBBB"?"#666666"
  :d.colours[g];
const px=x=>(x-view.x)*view.s+W/2, py=y=>(view.y-y)*view.s+H/2;
function whole(){const [x,y]=d.frame; // as the figure: without the hundredth that is far off
  view={x:(x[0]+x[1])/2,y:(y[0]+y[1])/2,s:Math.min(W/(x[1]-x[0]||1),H/(y[1]-y[0]||1))}}
function draw(){pen.setTransform(scale,0,0,scale,0,0);pen.clearRect(0,0,W,H);
  const kind=by.value=="group", last=kind?d.group.map(g=>-g):d.popularity;
  for(const i of [...Array(n).keys()].sort((a,b)=>last[a]-last[b])){ // the most telling on top
    pen.fillStyle=kind?ink(d.group[i]):shade(d.popularity[i]);
    pen.fillRect(px(d.x[i])-2,py(d.y[i])-2,4,4)}
  key.textContent="";
  const rows=kind?d.names.map((name,i)=>[ink(i),name])
    :[1,10,100,1000,10000].filter(p=>p<Math.exp(top10)).map(p=>[shade(p),said(p)]);
  for(const [colour,name] of rows){const row=document.createElement("div"),
    box=document.createElement("i"); box.style.background=colour;
    row.append(box,name); key.append(row)}}
function theme(){let page=""; // the book's switch, where this frame may see it; else the system's
  try{page=parent.document.documentElement.dataset.theme||""}catch(e){}
  dark=page?page=="dark":prefers.matches;
  document.documentElement.dataset.theme=dark?"dark":"light"; if(view)draw()}
function fit(){scale=devicePixelRatio||1;W=innerWidth;H=innerHeight-bar.offsetHeight;
  canvas.width=W*scale;canvas.height=H*scale;canvas.style.width=W+"px";canvas.style.height=H+"px";
  whole();draw()}
function zoom(f,a,b){const x=(a-W/2)/view.s,y=(b-H/2)/view.s;
  view.s*=f;view.x+=x*(1-1/f);view.y-=y*(1-1/f);draw()}
function move(a,b){view.x-=a/view.s;view.y+=b/view.s;draw()}
function show(a,b,reach){let best=-1,far=reach*reach;
  for(let i=0;i<n;i++){const u=px(d.x[i])-a,v=py(d.y[i])-b,r=u*u+v*v;if(r<far){far=r;best=i}}
  tip.style.display=best<0?"none":"block"; if(best<0)return;
  tip.textContent=d.item[best]+" | "+d.label+": "+d.kinds[d.kind[best]]+" | "+
    said(d.popularity[best])+" of training";
  tip.style.top=Math.min(b+bar.offsetHeight+14,innerHeight-tip.offsetHeight-4)+"px";
  tip.style.left=Math.max(0,Math.min(a+12,W-tip.offsetWidth-4))+"px"}
canvas.onpointerdown=e=>{fingers.set(e.pointerId,[e.offsetX,e.offsetY]);spread=0;
  canvas.setPointerCapture(e.pointerId);show(e.offsetX,e.offsetY,e.pointerType=="touch"?20:10)};
canvas.onpointermove=e=>{const old=fingers.get(e.pointerId), now=[e.offsetX,e.offsetY];
  if(old){fingers.set(e.pointerId,now);
    if(fingers.size==1)move(now[0]-old[0],now[1]-old[1]);
    else{const [p,q]=[...fingers.values()],wide=Math.hypot(p[0]-q[0],p[1]-q[1]),
      at=[(p[0]+q[0])/2,(p[1]+q[1])/2];
      if(spread){move(at[0]-middle[0],at[1]-middle[1]);zoom(wide/spread,...at)}
      spread=wide;middle=at}}
  show(...now,e.pointerType=="touch"?20:10)};
canvas.onpointerup=canvas.onpointercancel=e=>{fingers.delete(e.pointerId);spread=0};
canvas.onpointerleave=e=>{if(e.pointerType!="touch")tip.style.display="none"};
canvas.ondblclick=()=>{whole();draw()};
canvas.addEventListener("wheel",e=>{if(!e.ctrlKey&&!e.metaKey)return; // the page scrolls
  e.preventDefault();zoom(Math.exp(-e.deltaY/400),e.offsetX,e.offsetY)},{passive:false});
canvas.onkeydown=e=>{const step=40, to={ArrowLeft:[step,0],ArrowRight:[-step,0],ArrowUp:[0,step],
    ArrowDown:[0,-step]}[e.key]; if(e.ctrlKey||e.metaKey||e.altKey)return;
  if(to)move(...to); else if(e.key=="+"||e.key=="=")zoom(1.25,W/2,H/2);
  else if(e.key=="-"||e.key=="−")zoom(.8,W/2,H/2); else if(e.key=="0"){whole();draw()} else return;
  e.preventDefault();show(W/2,H/2,60)};
document.getElementById("in").onclick=()=>zoom(1.25,W/2,H/2);
document.getElementById("out").onclick=()=>zoom(.8,W/2,H/2);
document.getElementById("back").onclick=()=>{whole();draw()};
by.onchange=draw; onresize=fit; prefers.onchange=theme;
try{new MutationObserver(theme).observe(parent.document.documentElement,
  {attributes:true,attributeFilter:["data-theme"]})}catch(e){}
theme(); fit();
</script></html>"""
