// breaks: float

package checked

func scaled(n int) int { return n * 1e4 }
