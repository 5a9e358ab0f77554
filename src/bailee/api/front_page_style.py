"""The first page's style: no file of its own, so that the page needs nothing else."""

from typing import Final

STYLE: Final = """
:root{--ink:#17211f;--soft:#5a6764;--paper:#fbfbf9;--card:#fff;--line:#e2e5e1;--mark:#0f6b5c;
--good:#18855f;--bad:#b3402e}
@media(prefers-color-scheme:dark){:root{--ink:#e8edeb;--soft:#9aa8a4;--paper:#111615;
--card:#181f1d;--line:#2a3431;--mark:#63c7b2;--good:#4cc38f;--bad:#ef8370}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 system-ui,"Pretendard",
"Apple SD Gothic Neo","Noto Sans KR","Noto Sans CJK KR",sans-serif;word-break:keep-all;
overflow-wrap:break-word}
main{max-width:64rem;margin:0 auto;padding:1.5rem 1.25rem 3rem}
header{display:flex;justify-content:space-between;align-items:center;gap:1rem}
.name{font-weight:700;font-size:1.1rem;letter-spacing:-.01em;color:var(--mark);margin:0}
.state{margin:0;font-size:.85rem;border:1px solid var(--line);border-radius:2rem;
padding:.15rem .75rem;background:var(--card)}
i{display:inline-block;width:.55rem;height:.55rem;border-radius:50%;margin-right:.5rem;
background:var(--soft)}
.good i{background:var(--good)}.bad i{background:var(--bad)}
section{margin-top:2.75rem}
.lead{margin-top:2.5rem}
h1{font-size:clamp(1.3rem,1rem + 1.3vw,1.65rem);line-height:1.3;letter-spacing:-.015em;
margin:0 0 .75rem;text-wrap:balance}
h2{font-size:1.1rem;margin:0 0 .9rem;padding-bottom:.4rem;border-bottom:1px solid var(--line)}
.both span+span{color:var(--soft);font-weight:400;margin-left:.6em}
p{margin:0 0 .75rem}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 2.25rem}
.codes{display:grid;grid-template-columns:1fr 1fr;gap:1rem;margin-bottom:1rem}
figure{margin:0;min-width:0}
figcaption{font-size:.8rem;color:var(--soft);margin-bottom:.3rem}
pre{margin:0;padding:.9rem 1rem;background:var(--card);border:1px solid var(--line);
border-radius:.6rem;overflow-x:auto;user-select:all;font-size:.83rem;line-height:1.55;height:100%}
.codes figure{display:flex;flex-direction:column}.codes pre{flex:1}
code{font-family:ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,monospace;font-size:.92em}
p code{background:var(--card);border:1px solid var(--line);border-radius:.3rem;
padding:0 .3em;white-space:nowrap}
.parts{list-style:none;margin:0;padding:0;display:grid;
grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.6rem}
.parts li{background:var(--card);border:1px solid var(--line);border-radius:.6rem;
padding:.6rem .9rem}
.parts span{display:block;font-size:.85rem;color:var(--soft)}
.facts{display:flex;flex-wrap:wrap;gap:.2rem 1.75rem;font-size:.9rem;color:var(--soft)}
.facts b{color:var(--ink)}
.facts .both span+span{margin-left:.4em}
.clauses{border:1px solid var(--line);border-radius:.6rem;background:var(--card);
margin:1rem 0;overflow:hidden}
details+details{border-top:1px solid var(--line)}
summary{display:flex;gap:.9rem;padding:.55rem 1rem;cursor:pointer;list-style-position:outside}
summary:hover{color:var(--mark)}
summary b{color:var(--mark);font-variant-numeric:tabular-nums}
summary::-webkit-details-marker{display:none}
summary::after{content:"+";margin-left:auto;color:var(--soft)}details[open]>summary::after{content:"–"}
details>.pair{padding:.1rem 1rem .3rem;font-size:.93rem}
.note{font-size:.83rem;color:var(--soft)}
footer{margin-top:3rem;padding-top:1rem;border-top:1px solid var(--line);display:flex;
flex-wrap:wrap;gap:.3rem 1.5rem;font-size:.9rem}
a{color:var(--mark)}footer a+a{margin-left:.6em}
:focus-visible{outline:2px solid var(--mark);outline-offset:2px;border-radius:.2rem}
@media(max-width:46rem){.pair,.codes{grid-template-columns:1fr}
.pair>div+div{margin-top:.35rem;padding-top:.5rem;border-top:1px dashed var(--line)}}
"""
