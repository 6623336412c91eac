package repo

import (
	"cmp"
	"iter"
	"slices"
)

// postings find records by the first eight bytes of their id without touching
// a file: 16 bytes of memory a record.
type postings struct {
	prefixes []uint64 // ascending
	places   []place  // of the record with that prefix
}

// place is a record's position: the file's number in the upper 24 bits, the
// record's in the lower 40.
type place uint64

const placeBits = 40

func (p place) file() int     { return int(p >> placeBits) }
func (p place) record() int64 { return int64(p & (1<<placeBits - 1)) }

func newPostings(file int, prefixes []uint64) postings {
	places := make([]place, len(prefixes))
	for i := range places {
		places[i] = place(file)<<placeBits | place(i)
	}
	return postings{prefixes: prefixes, places: places}
}

// find yields the places of all records with a prefix.
func (p postings) find(prefix uint64) iter.Seq[place] {
	return func(yield func(place) bool) {
		i, _ := slices.BinarySearch(p.prefixes, prefix)
		for ; i < len(p.prefixes) && p.prefixes[i] == prefix; i++ {
			if !yield(p.places[i]) {
				return
			}
		}
	}
}

// mergePostings merges the two shortest until one is left, so that each
// record moves only a few times however the lengths differ.
func mergePostings(tables []postings) postings {
	tables = slices.Clone(tables)
	for len(tables) > 1 {
		slices.SortFunc(tables, func(a, b postings) int { return cmp.Compare(len(b.prefixes), len(a.prefixes)) })
		n := len(tables)
		merged := mergeTwo(tables[n-2], tables[n-1])
		tables = append(tables[:n-2], merged)
	}
	if len(tables) == 0 {
		return postings{}
	}
	return tables[0]
}

func mergeTwo(a, b postings) postings {
	n := len(a.prefixes) + len(b.prefixes)
	out := postings{prefixes: make([]uint64, 0, n), places: make([]place, 0, n)}
	for len(a.prefixes) > 0 && len(b.prefixes) > 0 {
		least := &a
		if b.prefixes[0] < a.prefixes[0] {
			least = &b
		}
		out.prefixes = append(out.prefixes, least.prefixes[0])
		out.places = append(out.places, least.places[0])
		least.prefixes, least.places = least.prefixes[1:], least.places[1:]
	}
	for _, rest := range []postings{a, b} {
		out.prefixes = append(out.prefixes, rest.prefixes...)
		out.places = append(out.places, rest.places...)
	}
	return out
}
