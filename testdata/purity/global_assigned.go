// breaks: global

package checked

var last int

func remember(n int) { last = n }
