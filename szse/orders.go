package szse

import (
	"evenkeel/core/money"
)

// OrderHead is the start of both messages that a broker sends about an order.
type OrderHead struct {
	ApplID           [3]byte // Appl values, values.go
	SubmittingPBUID  [6]byte // the broker's unit
	SecurityID       [8]byte // the code, "600519"
	SecurityIDSource [4]byte // Source values, values.go
	OwnerType        uint16
	ClearingFirm     [2]byte
	TransactTime     Timestamp // its date is the trading day that the request is for [ours]
	UserInfo         [8]byte
	ClOrdID          [10]byte // unique per unit and day; OrderID and ClOrdID translate it
}

func (m *OrderHead) fields(c *cursor) {
	c.text("ApplID", m.ApplID[:])
	c.text("SubmittingPBUID", m.SubmittingPBUID[:])
	c.text("SecurityID", m.SecurityID[:])
	c.text("SecurityIDSource", m.SecurityIDSource[:])
	c.u16(&m.OwnerType)
	c.text("ClearingFirm", m.ClearingFirm[:])
	i64(c, &m.TransactTime)
	c.text("UserInfo", m.UserInfo[:])
	c.text("ClOrdID", m.ClOrdID[:])
}

// Extension is the part of an order that belongs to the spot auction business.
type Extension struct {
	StopPx         money.Price
	MinQty         Qty
	MaxPriceLevels uint16
	TimeInForce    byte // TimeInForce values, values.go
	CashMargin     byte // CashMargin values, values.go
}

func (m *Extension) fields(c *cursor) {
	i64(c, &m.StopPx)
	i64(c, &m.MinQty)
	c.u16(&m.MaxPriceLevels)
	c.char("TimeInForce", &m.TimeInForce)
	c.char("CashMargin", &m.CashMargin)
}

// NewOrder is an order of the spot auction.
type NewOrder struct {
	OrderHead
	AccountID         [12]byte // the investor's account at the exchange
	BranchID          [4]byte
	OrderRestrictions [4]byte
	Side              byte // Side values, values.go
	OrdType           byte // OrdType values, values.go
	OrderQty          Qty
	Price             money.Price // a market order's protection price, or 0
	Extension
}

// Type is TypeNewOrder.
func (m *NewOrder) Type() MsgType { return TypeNewOrder }

// Append appends the frame.
func (m *NewOrder) Append(dst []byte) []byte {
	c := begin(dst, TypeNewOrder)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *NewOrder) Decode(body []byte) error {
	c := open(body, TypeNewOrder)
	m.fields(&c)
	return c.close()
}

func (m *NewOrder) fields(c *cursor) {
	m.OrderHead.fields(c)
	c.text("AccountID", m.AccountID[:])
	c.text("BranchID", m.BranchID[:])
	c.text("OrderRestrictions", m.OrderRestrictions[:])
	c.char("Side", &m.Side)
	c.char("OrdType", &m.OrdType)
	i64(c, &m.OrderQty)
	i64(c, &m.Price)
	m.Extension.fields(c)
}

// OrderCancelRequest asks for the rest of an order to be cancelled.
type OrderCancelRequest struct {
	OrderHead            // ClOrdID is the cancel's own
	OrigClOrdID [10]byte // of the order
	Side        byte     // of the order
	OrderID     [16]byte // the exchange's, may be blank
	OrderQty    Qty      // of the order
}

// Type is TypeOrderCancelRequest.
func (m *OrderCancelRequest) Type() MsgType { return TypeOrderCancelRequest }

// Append appends the frame.
func (m *OrderCancelRequest) Append(dst []byte) []byte {
	c := begin(dst, TypeOrderCancelRequest)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *OrderCancelRequest) Decode(body []byte) error {
	c := open(body, TypeOrderCancelRequest)
	m.fields(&c)
	return c.close()
}

func (m *OrderCancelRequest) fields(c *cursor) {
	m.OrderHead.fields(c)
	c.text("OrigClOrdID", m.OrigClOrdID[:])
	c.char("Side", &m.Side)
	c.text("OrderID", m.OrderID[:])
	i64(c, &m.OrderQty)
}

// ReportHead is the start of all reports that have an index.
type ReportHead struct {
	PartitionNo      int32
	ReportIndex      int64 // from 1 per partition, without gaps
	ApplID           [3]byte
	ReportingPBUID   [6]byte
	SubmittingPBUID  [6]byte
	SecurityID       [8]byte
	SecurityIDSource [4]byte
	OwnerType        uint16
	ClearingFirm     [2]byte
	TransactTime     Timestamp
	UserInfo         [8]byte
}

// Head is the report's head; every message that embeds one is a Report.
func (m *ReportHead) Head() *ReportHead { return m }

// Report is a message with a report index: CancelReject, ExecutionConfirm, ExecutionReport.
type Report interface {
	Message
	Head() *ReportHead
}

func (m *ReportHead) fields(c *cursor) {
	i32(c, &m.PartitionNo)
	i64(c, &m.ReportIndex)
	c.text("ApplID", m.ApplID[:])
	c.text("ReportingPBUID", m.ReportingPBUID[:])
	c.text("SubmittingPBUID", m.SubmittingPBUID[:])
	c.text("SecurityID", m.SecurityID[:])
	c.text("SecurityIDSource", m.SecurityIDSource[:])
	c.u16(&m.OwnerType)
	c.text("ClearingFirm", m.ClearingFirm[:])
	i64(c, &m.TransactTime)
	c.text("UserInfo", m.UserInfo[:])
}

// CancelReject says that a cancel request did nothing.
type CancelReject struct {
	ReportHead
	ClOrdID      [10]byte // of the cancel request
	OrigClOrdID  [10]byte // of the order
	Side         byte
	OrdStatus    byte
	CxlRejReason uint16 // CancelReject values, values.go
	RejectText   [16]byte
	OrderID      [16]byte
}

// Type is TypeCancelReject.
func (m *CancelReject) Type() MsgType { return TypeCancelReject }

// Append appends the frame.
func (m *CancelReject) Append(dst []byte) []byte {
	c := begin(dst, TypeCancelReject)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *CancelReject) Decode(body []byte) error {
	c := open(body, TypeCancelReject)
	m.fields(&c)
	return c.close()
}

func (m *CancelReject) fields(c *cursor) {
	m.ReportHead.fields(c)
	c.text("ClOrdID", m.ClOrdID[:])
	c.text("OrigClOrdID", m.OrigClOrdID[:])
	c.char("Side", &m.Side)
	c.char("OrdStatus", &m.OrdStatus)
	c.u16(&m.CxlRejReason)
	c.text("RejectText", m.RejectText[:])
	c.text("OrderID", m.OrderID[:])
}

// ExecutionConfirm says that an order was accepted, cancelled or rejected, by its ExecType. What a cancel took away is
// OrderQty less CumQty.
type ExecutionConfirm struct {
	ReportHead
	OrderID           [16]byte
	ClOrdID           [10]byte // of the order; for a cancel that was asked for, of the cancel request
	QuoteMsgID        [10]byte
	OrigClOrdID       [10]byte // of the order when a cancel request was carried out, else blank
	ExecID            [16]byte
	ExecType          byte   // ExecType values, values.go
	OrdStatus         byte   // OrdStatus values, values.go
	OrdRejReason      uint16 // of a rejection, or of a cancel that nobody asked for: values.go
	LeavesQty         Qty
	CumQty            Qty
	Side              byte
	OrdType           byte
	OrderQty          Qty
	Price             money.Price
	AccountID         [12]byte
	BranchID          [4]byte
	OrderRestrictions [4]byte
	Extension
}

// Type is TypeExecutionConfirm.
func (m *ExecutionConfirm) Type() MsgType { return TypeExecutionConfirm }

// Append appends the frame.
func (m *ExecutionConfirm) Append(dst []byte) []byte {
	c := begin(dst, TypeExecutionConfirm)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *ExecutionConfirm) Decode(body []byte) error {
	c := open(body, TypeExecutionConfirm)
	m.fields(&c)
	return c.close()
}

func (m *ExecutionConfirm) fields(c *cursor) {
	m.ReportHead.fields(c)
	c.text("OrderID", m.OrderID[:])
	c.text("ClOrdID", m.ClOrdID[:])
	c.text("QuoteMsgID", m.QuoteMsgID[:])
	c.text("OrigClOrdID", m.OrigClOrdID[:])
	c.text("ExecID", m.ExecID[:])
	c.char("ExecType", &m.ExecType)
	c.char("OrdStatus", &m.OrdStatus)
	c.u16(&m.OrdRejReason)
	i64(c, &m.LeavesQty)
	i64(c, &m.CumQty)
	c.char("Side", &m.Side)
	c.char("OrdType", &m.OrdType)
	i64(c, &m.OrderQty)
	i64(c, &m.Price)
	c.text("AccountID", m.AccountID[:])
	c.text("BranchID", m.BranchID[:])
	c.text("OrderRestrictions", m.OrderRestrictions[:])
	m.Extension.fields(c)
}

// ExecutionReport is one trade of one order.
type ExecutionReport struct {
	ReportHead
	OrderID    [16]byte
	ClOrdID    [10]byte
	QuoteMsgID [10]byte
	ExecID     [16]byte
	ExecType   byte // ExecTrade
	OrdStatus  byte
	LastPx     money.Price
	LastQty    Qty
	LeavesQty  Qty
	CumQty     Qty
	Side       byte
	AccountID  [12]byte
	BranchID   [4]byte
	CashMargin byte
}

// Type is TypeExecutionReport.
func (m *ExecutionReport) Type() MsgType { return TypeExecutionReport }

// Append appends the frame.
func (m *ExecutionReport) Append(dst []byte) []byte {
	c := begin(dst, TypeExecutionReport)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *ExecutionReport) Decode(body []byte) error {
	c := open(body, TypeExecutionReport)
	m.fields(&c)
	return c.close()
}

func (m *ExecutionReport) fields(c *cursor) {
	m.ReportHead.fields(c)
	c.text("OrderID", m.OrderID[:])
	c.text("ClOrdID", m.ClOrdID[:])
	c.text("QuoteMsgID", m.QuoteMsgID[:])
	c.text("ExecID", m.ExecID[:])
	c.char("ExecType", &m.ExecType)
	c.char("OrdStatus", &m.OrdStatus)
	i64(c, &m.LastPx)
	i64(c, &m.LastQty)
	i64(c, &m.LeavesQty)
	i64(c, &m.CumQty)
	c.char("Side", &m.Side)
	c.text("AccountID", m.AccountID[:])
	c.text("BranchID", m.BranchID[:])
	c.char("CashMargin", &m.CashMargin)
}
