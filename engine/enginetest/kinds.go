package enginetest

// Kinds are the engines that differ for davit, old and new API, both image stores. Two of them have each of these
// once; the third, new with a graph driver, is left to make integration.
func Kinds() map[string]DockerdOptions {
	kinds := map[string]DockerdOptions{
		"20.10":           {Version: "20.10"},
		"28.5 containerd": {Version: "28.5", ContainerdStore: true},
	}
	if Integration {
		kinds["28.5"] = DockerdOptions{Version: "28.5"}
	}
	return kinds
}
