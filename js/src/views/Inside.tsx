import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useInside } from "../hooks/useInside";
import { nodeIndex } from "../logic/effects";
import { attendedTo, directOf, lensRows, models, mostAttended, patternSize } from "../logic/inside";
import { amountIndex, formatProbability, formatSigned, formatSize, shadeAt, type Theme } from "../logic/scales";
import { placedNames, visibleToken } from "../logic/tokenText";
import { parseKey } from "../logic/toggles";
import type { Node } from "../logic/trace";
import type { HeadInside, Inside, ViewState } from "../protocol/types";
import type { ViewProps } from "./props";

const named = 3;

/** What a head or an MLP writes, and what a head attends to, once somebody looks inside the subgraph. */
export function NodeInside({ node, ...props }: ViewProps & { node: Node }) {
  const { viewState, theme, shown } = props;
  const { inside, present, looking, look } = useInside(props);
  const isHead = parseKey(node.key).head !== "mlp";
  const head = inside?.head?.node === node.key ? inside.head : null;
  const direct = inside && directOf(inside, viewState, nodeIndex(parseKey(node.key), viewState.n_heads));
  const missing = !present || (isHead && !head);
  if (!inside && !look) return null;
  return (
    <div class="sw-inside" data-testid="node-inside" data-present={present}>
      {look && missing && (
        <button type="button" class="sw-quiet" disabled={looking} onClick={() => look(isHead ? node.key : "")}>
          {isHead ? "What it attends to and writes" : "What it writes"}
        </button>
      )}
      {inside && direct && <p class="sw-note">{at(inside, shown.size.nEdges, viewState)}writes directly <b>{formatSigned(direct[0])}</b> to {question(inside)}, in the subgraph <b>{formatSigned(direct[1])}</b></p>}
      {inside?.refusal && isHead && head && <p class="sw-note">{inside.refusal}</p>}
      {head && <Head head={head} viewState={viewState} theme={theme} />}
    </div>
  );
}

/** What the stream predicts after each layer, in the full model and in the subgraph. */
export function LayerLens(props: ViewProps) {
  const { viewState, shown } = props;
  const { inside, present, looking, look } = useInside(props);
  const [open, setOpen] = useState(true);
  if (!inside && !look) return null;
  return (
    <section role="group" class="sw-lens" aria-label="Layer by layer" data-testid="lens" data-present={present}>
      <div class="sw-head">
        <h3 class="sw-title">Layer by layer</h3>
        {look && !present && (
          <button type="button" class="sw-as-table" disabled={looking} onClick={() => { setOpen(true); look(inside?.head?.node ?? ""); }}>
            {looking ? "looking…" : inside ? "look again" : "look inside"}
          </button>
        )}
        {inside && (
          <button type="button" class="sw-as-table" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "hide" : "show"}
          </button>
        )}
      </div>
      {inside && open && <Lens inside={inside} nEdges={shown.size.nEdges} viewState={viewState} />}
      {!inside && <p class="sw-note">What the last token already predicts after each layer (the logit lens), in the full model and in the subgraph.</p>}
    </section>
  );
}

function Lens({ inside, nEdges, viewState }: { inside: Inside; nEdges: number; viewState: ViewState }) {
  return (
    <>
      <p class="sw-note">{at(inside, nEdges, viewState)}logits of {question(inside)}</p>
      <div class="sw-table" role="region" aria-label="Layer by layer" tabIndex={0}>
        <table>
          <caption class="sw-unseen">The most probable next token after each layer</caption>
          <thead>
            <tr>
              <th scope="col">after</th>
              {models.map((name) => [<th key={name} scope="col">{name}</th>, <th key={`${name} p`} scope="col">p</th>, <th key={`${name} logit`} scope="col">logit</th>])}
            </tr>
          </thead>
          <tbody>
            {lensRows(inside, visibleToken).map(([name, ...cells], row) => (
              <tr key={row}>
                <th scope="row">{name}</th>
                {cells.map((cell, index) => <td key={index}><bdi>{cell}</bdi></td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Head({ head, viewState, theme }: { head: HeadInside; viewState: ViewState; theme: Theme }) {
  const names = placedNames(viewState.tokens).slice(head.first);
  return (
    <div class="sw-patterns">
      {models.map((name, model) => (
        <figure key={name}>
          <figcaption>{name}</figcaption>
          <Pattern head={head} model={model} names={names} theme={theme} />
          <p class="sw-note">
            the last token attends to{" "}
            {mostAttended(head, model, named).map((source) => (
              <span key={source}><bdi>{names[source]}</bdi> <b>{formatProbability(attendedTo(head, model, patternSize(head) - 1, source))}</b></span>
            ))}
            {mostAttended(head, model, 1).length === 0 && "nothing"}
          </p>
          {head.promoted[model]?.length > 0 && (
            <p class="sw-note">
              and writes to{" "}
              {head.promoted[model].slice(0, named).map(({ token, logit }) => (
                <span key={token}><bdi>{visibleToken(token)}</bdi> <b>{formatSigned(logit)}</b></span>
              ))}
            </p>
          )}
        </figure>
      ))}
    </div>
  );
}

/** Who attends to whom: a row a target, a column a source; what the pointer is on is said. */
function Pattern({ head, model, names, theme }: { head: HeadInside; model: number; names: string[]; theme: Theme }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = patternSize(head);
  const [said, setSaid] = useState("");
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    for (let target = 0; target < size; target++)
      for (let source = 0; source < size; source++) {
        context.fillStyle = shadeAt(theme, amountIndex(attendedTo(head, model, target, source)));
        context.fillRect(source, target, 1, 1);
      }
  }, [head, model, theme, size]);
  const point = (event: PointerEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const [source, target] = [event.clientX - box.left, event.clientY - box.top].map((place) => Math.min(size - 1, Math.max(0, Math.floor((place / box.width) * size))));
    setSaid(source > target ? "" : `${names[target]} → ${names[source]} ${formatProbability(attendedTo(head, model, target, source))}`);
  };
  return (
    <>
      <canvas ref={canvas} class="sw-pattern" width={size} height={size} role="img" aria-label={`Attention in the ${models[model]}: a row for each token that attends`} onPointerMove={point} onPointerLeave={() => setSaid("")} />
      <p class="sw-note sw-pattern-says" aria-hidden="true">{said}</p>
    </>
  );
}

/** "at s = 0.02: ", where that is not the size on screen. */
const at = (inside: Inside, nEdges: number, viewState: ViewState) => (inside.n_edges === nEdges ? "" : `at s = ${formatSize(inside.n_edges / viewState.n_edges)}: `);

const question = ({ answer, rival }: Inside) => <><bdi>{visibleToken(answer)}</bdi> over <bdi>{visibleToken(rival)}</bdi></>;
