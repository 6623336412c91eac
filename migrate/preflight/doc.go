// Package preflight looks at a host before the engine's data is moved: what there is to move, what it would cost,
// and everything that stands in the way. It is the work of `davit migrate plan`.
//
// Words:
//
//   - store: a folder tree that the engine keeps its data in: the data-root, and the root of containerd where images
//     are in containerd's image store.
//   - survey: everything that was found out about the host, and the findings drawn from it.
//   - finding: one judgement: ok, a warning, or a refusal, with a way out.
//   - probe: trying on the destination what the engine will need there.
//
// Guarantees: the engine, its data and its configuration are only looked at, so that a survey is safe on a host in
// production. On the destination a folder .davit-probe-* is made and removed again. Facts are gathered first and
// judged afterwards by functions that touch nothing: the same facts give the same findings.
package preflight
