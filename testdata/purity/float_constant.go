// breaks: float

package checked

const scale = 1.0 / 3

func scaled(n int) int { return n * (scale * 3) }
