package prune

// increments says what each removal frees, in the given order: the units whose last holder goes with it. The sum is
// what the whole list frees. A unit with a holder that is no object of this engine is never freed.
func (f *Facts) increments(removed []*Object) []int64 {
	holders := make(map[string]int, len(f.Units))
	for i := range f.Objects {
		for _, u := range f.Objects[i].Units {
			holders[u]++
		}
	}
	list := make([]int64, len(removed))
	for i, o := range removed {
		for _, u := range o.Units {
			holders[u]--
			if _, foreign := f.Foreign[u]; holders[u] == 0 && !foreign {
				list[i] += f.Units[u]
			}
		}
	}
	return list
}

// frees is what a list of removals frees together.
func (f *Facts) frees(removed []*Object) int64 {
	var sum int64
	for _, n := range f.increments(removed) {
		sum += n
	}
	return sum
}
