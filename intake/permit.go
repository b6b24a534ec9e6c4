package intake

import (
	"bytes"
	"fmt"

	"evenkeel/auth"
	"evenkeel/core/trade"
)

// boardPermission is what an order for a board needs.
func boardPermission(b trade.Board) trade.Permissions {
	switch b {
	case trade.STAR:
		return trade.MaySTAR
	case trade.ChiNext:
		return trade.MayChiNext
	case trade.BSEMain:
		return trade.MayBSE
	}
	return trade.MayTrade
}

// permit checks that the principal may give the command for the account that it names, and returns that account. The
// books check again what the account may do; only here is it known that a key may do less.
func (d *Door) permit(who auth.Principal, c *trade.Command) (trade.AccountID, error) {
	account, own := accountOf(c)
	switch {
	case !own:
		if who.Via != auth.ByHouse && !who.May(trade.MayOperate) {
			return 0, fmt.Errorf("commands of the house: %w", ErrNotPermitted)
		}
		return who.Account, nil
	case who.Via == auth.ByHouse:
		return account, nil
	case account != who.Account && !who.May(trade.MayOperate):
		return 0, ErrNotOwner
	}
	return account, d.permitKind(who, c)
}

func (d *Door) permitKind(who auth.Principal, c *trade.Command) error {
	switch c.Kind {
	case trade.PlaceOrderKind:
		return d.permitBoard(who, c.PlaceOrder.Security)
	case trade.ReplaceOrderKind:
		if d.OrderSecurity != nil {
			return d.permitBoard(who, d.OrderSecurity(c.ReplaceOrder.Account, c.ReplaceOrder.Order))
		}
		fallthrough
	case trade.CancelOrderKind, trade.SetSettingsKind:
		if !who.MayAny(trade.EveryBoard) {
			return fmt.Errorf("trading: %w", ErrNotPermitted)
		}
	case trade.MoveCashKind:
		if !who.May(trade.MayMoveCash) {
			return fmt.Errorf("moving cash: %w", ErrNotPermitted)
		}
	case trade.AddKeyKind:
		if who.Via != auth.BySession {
			return fmt.Errorf("making an API key needs a login: %w", ErrNotPermitted)
		}
		if !who.May(c.AddKey.Permissions) {
			return fmt.Errorf("a key may do at most what its maker may: %w", ErrNotPermitted)
		}
	case trade.SetPasswordKind, trade.RevokeKeyKind:
		if who.Via != auth.BySession {
			return fmt.Errorf("changing credentials needs a login: %w", ErrNotPermitted)
		}
	case trade.CloseSessionKind:
		if who.Via != auth.BySession {
			return fmt.Errorf("closing a session needs a login: %w", ErrNotPermitted)
		}
	case trade.PutDocumentKind:
		if !who.May(trade.MayRead) && !who.MayAny(trade.EveryBoard) {
			return fmt.Errorf("keeping documents: %w", ErrNotPermitted)
		}
		if bytes.HasPrefix(c.PutDocument.Name, []byte(auth.HousePrefix)) {
			return fmt.Errorf("documents of the house: %w", ErrNotPermitted)
		}
	default: // sessions are opened after a login, shares are moved by the house
		if !who.May(trade.MayOperate) {
			return ErrNotPermitted
		}
	}
	return nil
}

func (d *Door) permitBoard(who auth.Principal, id trade.SecurityID) error {
	board, known := trade.Board(0), false
	if d.Board != nil {
		board, known = d.Board(id)
	}
	if !known { // the books will say that the security is not known
		if !who.MayAny(trade.EveryBoard) {
			return fmt.Errorf("trading: %w", ErrNotPermitted)
		}
		return nil
	}
	switch {
	case who.May(boardPermission(board)):
		return nil
	case who.MayAny(trade.EveryBoard):
		return ErrBoardNotAllowed
	}
	return fmt.Errorf("trading: %w", ErrNotPermitted)
}

// accountOf returns the account that a command is for; own is false for commands about the house.
func accountOf(c *trade.Command) (id trade.AccountID, own bool) {
	switch c.Kind {
	case trade.SetPasswordKind:
		return c.SetPassword.Account, true
	case trade.AddKeyKind:
		return c.AddKey.Account, true
	case trade.RevokeKeyKind:
		return c.RevokeKey.Account, true
	case trade.OpenSessionKind:
		return c.OpenSession.Account, true
	case trade.CloseSessionKind:
		return c.CloseSession.Account, true
	case trade.SetSettingsKind:
		return c.SetSettings.Account, true
	case trade.MoveCashKind:
		return c.MoveCash.Account, true
	case trade.MoveSharesKind:
		return c.MoveShares.Account, true
	case trade.PlaceOrderKind:
		return c.PlaceOrder.Account, true
	case trade.CancelOrderKind:
		return c.CancelOrder.Account, true
	case trade.ReplaceOrderKind:
		return c.ReplaceOrder.Account, true
	case trade.PutDocumentKind:
		return c.PutDocument.Account, true
	}
	return 0, false
}

func classOf(k trade.CommandKind) Class {
	switch k {
	case trade.PlaceOrderKind, trade.ReplaceOrderKind:
		return Order
	case trade.CancelOrderKind:
		return Cancel
	}
	return Manage
}

// adds reports whether a command adds to what is under way, so that a read-only house refuses it.
func adds(k trade.CommandKind) bool {
	switch k {
	case trade.PlaceOrderKind, trade.ReplaceOrderKind, trade.MoveCashKind, trade.MoveSharesKind:
		return true
	}
	return false
}
