package diskscan

import (
	"cmp"
	"slices"
	"strings"
)

// TypeUsage is what all files of one type take.
type TypeUsage struct {
	Type string `json:"type"` // the ending of the name, ".log"; "" without one
	Usage
}

const (
	maxEnding = 12 // longer ones are no types, but parts of names
	maxTypes  = 5000
)

// ending returns the type in a name. The result is a part of name.
func ending(name string) string {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 || len(name)-dot > maxEnding || len(name)-dot == 1 {
		return ""
	}
	for _, c := range []byte(name[dot+1:]) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return ""
		}
	}
	return name[dot:]
}

// typeSums adds up by type as it is spelled.
type typeSums map[string]*Usage

func (s typeSums) add(name string, u Usage) {
	kind := ending(name)
	sum := s[kind]
	if sum == nil {
		if len(s) >= maxTypes {
			kind = ""
		}
		sum = s.at(strings.Clone(kind))
	}
	sum.add(u)
}

func (s typeSums) at(kind string) *Usage {
	sum := s[kind]
	if sum == nil {
		sum = &Usage{}
		s[kind] = sum
	}
	return sum
}

// mergeTypes returns the sums of all workers, the largest first.
func mergeTypes(workers []worker) []TypeUsage {
	sums := typeSums{}
	for i := range workers {
		for kind, u := range workers[i].types {
			sums.at(strings.ToLower(kind)).add(*u)
		}
	}
	all := make([]TypeUsage, 0, len(sums))
	for kind, u := range sums {
		all = append(all, TypeUsage{kind, *u})
	}
	slices.SortFunc(all, func(a, b TypeUsage) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Type, b.Type))
	})
	return all
}
