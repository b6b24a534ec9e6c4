// breaks: select

package checked

func wait() { select {} }
