// breaks: float

package checked

type price float64

func half(p price) price { return p / 2 }
