// breaks: map range

package checked

func keys[M ~map[int]V, V any](m M) (n int) {
	for range m {
		n++
	}
	return n
}
