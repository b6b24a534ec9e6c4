package szse

import (
	"errors"
	"fmt"
)

// Logon opens a session; the gateway answers with its own.
type Logon struct {
	SenderCompID     [20]byte
	TargetCompID     [20]byte
	HeartBtInt       int32 // seconds
	Password         [16]byte
	DefaultApplVerID [32]byte
}

// Type is TypeLogon.
func (m *Logon) Type() MsgType { return TypeLogon }

// Append appends the frame.
func (m *Logon) Append(dst []byte) []byte { c := begin(dst, TypeLogon); m.fields(&c); return c.end() }

// Decode reads the body.
func (m *Logon) Decode(body []byte) error {
	c := open(body, TypeLogon)
	m.fields(&c)
	return secret(c.close())
}

func (m *Logon) fields(c *cursor) {
	c.text("SenderCompID", m.SenderCompID[:])
	c.text("TargetCompID", m.TargetCompID[:])
	i32(c, &m.HeartBtInt)
	c.text("Password", m.Password[:])
	c.text("DefaultApplVerID", m.DefaultApplVerID[:])
}

// secret keeps a refused password out of the error.
func secret(err error) error {
	var e FieldError
	if errors.As(err, &e) && e.Field == "Password" {
		e.Got = "(hidden)"
		return e
	}
	return err
}

// String never shows the password.
func (m Logon) String() string {
	return fmt.Sprintf("Logon{%s -> %s, heartbeat %ds}", Text(m.SenderCompID[:]), Text(m.TargetCompID[:]), m.HeartBtInt)
}

// GoString never shows the password.
func (m Logon) GoString() string { return m.String() }

// Logout ends a session, or refuses a Logon, with a reason.
type Logout struct {
	SessionStatus int32 // SessionStatus values, values.go
	Text          [200]byte
}

// Type is TypeLogout.
func (m *Logout) Type() MsgType { return TypeLogout }

// Append appends the frame.
func (m *Logout) Append(dst []byte) []byte { c := begin(dst, TypeLogout); m.fields(&c); return c.end() }

// Decode reads the body.
func (m *Logout) Decode(body []byte) error {
	c := open(body, TypeLogout)
	m.fields(&c)
	return c.close()
}

func (m *Logout) fields(c *cursor) {
	i32(c, &m.SessionStatus)
	c.text("Text", m.Text[:])
}

// Heartbeat shows that a side is alive. It has no body.
type Heartbeat struct{}

// Type is TypeHeartbeat.
func (m *Heartbeat) Type() MsgType { return TypeHeartbeat }

// Append appends the frame.
func (m *Heartbeat) Append(dst []byte) []byte { c := begin(dst, TypeHeartbeat); return c.end() }

// Decode reads the body, which must be empty.
func (m *Heartbeat) Decode(body []byte) error { c := open(body, TypeHeartbeat); return c.close() }

// BusinessReject refuses a message that never reached a book. It has no report index: it is not sent again by
// report synchronisation.
type BusinessReject struct {
	ApplID               [3]byte
	TransactTime         Timestamp
	SubmittingPBUID      [6]byte
	SecurityID           [8]byte
	SecurityIDSource     [4]byte
	RefSeqNum            int64
	RefMsgType           MsgType  // of the message that was refused
	BusinessRejectRefID  [10]byte // its ClOrdID
	BusinessRejectReason uint16   // Reject values, values.go
	BusinessRejectText   [50]byte
}

// Type is TypeBusinessReject.
func (m *BusinessReject) Type() MsgType { return TypeBusinessReject }

// Append appends the frame.
func (m *BusinessReject) Append(dst []byte) []byte {
	c := begin(dst, TypeBusinessReject)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *BusinessReject) Decode(body []byte) error {
	c := open(body, TypeBusinessReject)
	m.fields(&c)
	return c.close()
}

func (m *BusinessReject) fields(c *cursor) {
	c.text("ApplID", m.ApplID[:])
	i64(c, &m.TransactTime)
	c.text("SubmittingPBUID", m.SubmittingPBUID[:])
	c.text("SecurityID", m.SecurityID[:])
	c.text("SecurityIDSource", m.SecurityIDSource[:])
	i64(c, &m.RefSeqNum)
	c.u32((*uint32)(&m.RefMsgType))
	c.text("BusinessRejectRefID", m.BusinessRejectRefID[:])
	c.u16(&m.BusinessRejectReason)
	c.text("BusinessRejectText", m.BusinessRejectText[:])
}

// SyncPoint is the first report of a partition that the broker still lacks.
type SyncPoint struct {
	PartitionNo int32
	ReportIndex int64
}

// ReportSynchronization asks for all reports from these points on. At most MaxPartitions.
type ReportSynchronization struct {
	Points []SyncPoint
}

// Type is TypeReportSynchronization.
func (m *ReportSynchronization) Type() MsgType { return TypeReportSynchronization }

// Append appends the frame.
func (m *ReportSynchronization) Append(dst []byte) []byte {
	c := begin(dst, TypeReportSynchronization)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *ReportSynchronization) Decode(body []byte) error {
	c := open(body, TypeReportSynchronization)
	m.fields(&c)
	return c.close()
}

func (m *ReportSynchronization) fields(c *cursor) {
	n := c.count("count", len(m.Points), MaxPartitions, 12)
	if c.reading {
		m.Points = resized(m.Points, n)
	}
	for i := range n {
		i32(c, &m.Points[i].PartitionNo)
		i64(c, &m.Points[i].ReportIndex)
	}
}

// PlatformStateInfo says whether a platform takes orders.
type PlatformStateInfo struct {
	PlatformID    uint16
	PlatformState uint16 // PlatformState values, values.go
}

// Type is TypePlatformStateInfo.
func (m *PlatformStateInfo) Type() MsgType { return TypePlatformStateInfo }

// Append appends the frame.
func (m *PlatformStateInfo) Append(dst []byte) []byte {
	c := begin(dst, TypePlatformStateInfo)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *PlatformStateInfo) Decode(body []byte) error {
	c := open(body, TypePlatformStateInfo)
	m.fields(&c)
	return c.close()
}

func (m *PlatformStateInfo) fields(c *cursor) {
	c.u16(&m.PlatformID)
	c.u16(&m.PlatformState)
}

// ReportFinished names the last report of a partition of the day.
type ReportFinished struct {
	PartitionNo int32
	ReportIndex int64
	PlatformID  uint16
}

// Type is TypeReportFinished.
func (m *ReportFinished) Type() MsgType { return TypeReportFinished }

// Append appends the frame.
func (m *ReportFinished) Append(dst []byte) []byte {
	c := begin(dst, TypeReportFinished)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *ReportFinished) Decode(body []byte) error {
	c := open(body, TypeReportFinished)
	m.fields(&c)
	return c.close()
}

func (m *ReportFinished) fields(c *cursor) {
	i32(c, &m.PartitionNo)
	i64(c, &m.ReportIndex)
	c.u16(&m.PlatformID)
}

// PlatformInfo names the partitions that a platform reports on. At most MaxPartitions.
type PlatformInfo struct {
	PlatformID uint16
	Partitions []int32
}

// Type is TypePlatformInfo.
func (m *PlatformInfo) Type() MsgType { return TypePlatformInfo }

// Append appends the frame.
func (m *PlatformInfo) Append(dst []byte) []byte {
	c := begin(dst, TypePlatformInfo)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *PlatformInfo) Decode(body []byte) error {
	c := open(body, TypePlatformInfo)
	m.fields(&c)
	return c.close()
}

func (m *PlatformInfo) fields(c *cursor) {
	c.u16(&m.PlatformID)
	n := c.count("count", len(m.Partitions), MaxPartitions, 4)
	if c.reading {
		m.Partitions = resized(m.Partitions, n)
	}
	for i := range n {
		i32(c, &m.Partitions[i])
	}
}

// TradingSessionStatus says where a market stands in its day; PhaseStatus and Phase translate it.
type TradingSessionStatus struct {
	MarketID            [8]byte // Market values, values.go
	MarketSegmentID     [8]byte
	TradingSessionID    [4]byte // Session values, values.go
	TradingSessionSubID [4]byte
	TradSesStatus       uint16 // SessionOpen or SessionClosed, values.go
	TradSesStartTime    Timestamp
	TradSesEndTime      Timestamp // 0 when not known
}

// Type is TypeTradingSessionStatus.
func (m *TradingSessionStatus) Type() MsgType { return TypeTradingSessionStatus }

// Append appends the frame.
func (m *TradingSessionStatus) Append(dst []byte) []byte {
	c := begin(dst, TypeTradingSessionStatus)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *TradingSessionStatus) Decode(body []byte) error {
	c := open(body, TypeTradingSessionStatus)
	m.fields(&c)
	return c.close()
}

func (m *TradingSessionStatus) fields(c *cursor) {
	c.text("MarketID", m.MarketID[:])
	c.text("MarketSegmentID", m.MarketSegmentID[:])
	c.text("TradingSessionID", m.TradingSessionID[:])
	c.text("TradingSessionSubID", m.TradingSessionSubID[:])
	c.u16(&m.TradSesStatus)
	i64(c, &m.TradSesStartTime)
	i64(c, &m.TradSesEndTime)
}

// resized returns s with n elements, in place when it has room.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
