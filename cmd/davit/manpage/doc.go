// Package manpage writes manual pages of section 1 in the man(7) language. A page shows the text of a help page as it
// is, so that both say the same and nothing in it is taken for markup.
package manpage
