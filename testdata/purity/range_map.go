// breaks: map range

package checked

func sum(m map[string]int) (total int) {
	for _, v := range m {
		total += v
	}
	return total
}
