// Package doctor looks a host over for what davit needs, and says what is wrong and what to do about it.
//
// # Words
//
//   - facts: what was found, without a judgement. Reading them changes nothing.
//   - finding: the judgement of one check: ok, a warning, or a problem, with the way out.
//   - problem: davit cannot do its work, or has not done it. A warning will become one, or limits what davit can do.
//
// # Guarantees
//
// Every check has at least one finding, in the same order for the same facts. A fact that could not be read is a
// finding with its reason; the other checks are made all the same. Nothing here talks to anybody: [Gather] does it
// through the functions that it is given, and [Judge] only decides.
package doctor
