// breaks: map range

package checked

type register map[string]int

func (r register) first() string {
	for name := range r {
		return name
	}
	return ""
}
