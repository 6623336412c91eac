# report.awk - medians per row and tool, then davit's ratios beside what they must reach.
#
# Input: "ROW TOOL VALUE KIB" per measurement; the value is seconds, or bytes in the rows
# size, pgsize and new. The variable goals holds lines ROW|PEER|MUST|AIM|TEXT, and |TOOL when
# that is not davit.
function median(list,   n, i, j, v, t) {
	n = split(list, v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j] + 0 < v[j-1] + 0; j--) {
			t = v[j]; v[j] = v[j-1]; v[j-1] = t
		}
	return n % 2 ? v[(n+1)/2] : (v[n/2] + v[n/2+1]) / 2
}
{
	k = $1 " " $2
	all[k] = all[k] " " $3
	if ($4 * 1.024 / 1000 > peak[k]) peak[k] = $4 * 1.024 / 1000
	if (!(k in seen)) order[++n] = k
	seen[k] = 1
}
END {
	printf "\n%-10s %-8s %14s %12s\n", "row", "tool", "median", "peak MB"
	for (i = 1; i <= n; i++) {
		split(order[i], p, " ")
		printf "%-10s %-8s %14.2f %12s\n", p[1], p[2], median(all[order[i]]),
			peak[order[i]] ? sprintf("%.0f", peak[order[i]]) : "-"
	}
	line = "%-40s %-8s %7s %6s %6s  %s\n"
	printf "\n" line, "davit / peer", "peer", "ratio", "must", "aim", ""
	g = split(goals, lines, "\n")
	for (i = 1; i <= g; i++) {
		split("", f)
		split(lines[i], f, "|")
		davit = f[1] " " (f[6] ? f[6] : "davit"); peer = f[1] " " f[2]
		memory = f[2] == "memory"
		if (!(davit in all) || (!memory && !(peer in all))) {
			printf line, f[5], f[2], "-", f[3], f[4], "not measured"
			continue
		}
		ratio = memory ? peak[davit] : median(all[davit]) / median(all[peer])
		printf line, f[5], f[2], sprintf("%.2f", ratio), f[3], f[4],
			ratio <= f[4] + 0 ? "aim" : ratio <= f[3] + 0 ? "must" : "MISSED"
	}
}
