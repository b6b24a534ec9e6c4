// breaks: import

package checked

import "net"

func dial() (net.Conn, error) { return net.Dial("tcp", "localhost:1") }
