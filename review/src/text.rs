//! SQL text to syntax, under caps that hold before anything recursive looks at it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use datafusion::sql::sqlparser::ast::{Expr, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::finding::Span;

/// Stack of the thread that parses and plans. Recursion over a flat chain of 4,096 tokens needs a
/// few megabytes; pages that are not touched cost nothing.
const STACK_BYTES: usize = 256 * 1_024 * 1_024;

/// Caps on one text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextLimits {
    pub(crate) bytes: usize,
    pub(crate) tokens: usize,
    pub(crate) depth: usize,
}

/// Why a text is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TextError {
    #[error("the text has {bytes} bytes, at most {max} are read")]
    Bytes { bytes: usize, max: usize },
    #[error("the text has more than {max} tokens")]
    Tokens { max: usize, place: Option<Span> },
    #[error("brackets are nested more than {max} deep")]
    Depth { max: usize, place: Option<Span> },
    #[error("{message}")]
    Syntax {
        message: String,
        place: Option<Span>,
    },
}

/// Controls (escape sequences start with one), marks of direction, and characters of no width.
pub(crate) fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The first character that shows nothing, or shows the rest of the text in another order: a reader
/// would approve something else than what runs.
fn hidden(text: &str) -> Option<(char, Location)> {
    let (mut line, mut column) = (1, 1);
    for character in text.chars() {
        match character {
            '\n' => (line, column) = (line + 1, 1),
            '\r' | '\t' => column += 1,
            other if is_invisible(other) => return Some((other, Location { line, column })),
            _ => column += 1,
        }
    }
    None
}

/// Tokens under the caps, without white space and comments.
fn tokens(text: &str, limits: TextLimits) -> Result<Vec<TokenWithSpan>, TextError> {
    if text.len() > limits.bytes {
        return Err(TextError::Bytes {
            bytes: text.len(),
            max: limits.bytes,
        });
    }
    if let Some((character, at)) = hidden(text) {
        let message = format!("the invisible character U+{:04X}", u32::from(character));
        return Err(TextError::Syntax {
            message,
            place: point(at),
        });
    }
    let all = Tokenizer::new(&GenericDialect {}, text)
        .tokenize_with_location()
        .map_err(|error| TextError::Syntax {
            message: error.message,
            place: point(error.location),
        })?;
    let mut kept = Vec::new();
    let mut depth = 0usize;
    for token in all {
        match token.token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        let place = span(token.span);
        if depth > limits.depth {
            return Err(TextError::Depth {
                max: limits.depth,
                place,
            });
        }
        if kept.len() >= limits.tokens {
            return Err(TextError::Tokens {
                max: limits.tokens,
                place,
            });
        }
        kept.push(token);
    }
    Ok(kept)
}

/// Parses statements.
pub(crate) fn statements(text: &str, limits: TextLimits) -> Result<Vec<Statement>, TextError> {
    let tokens = tokens(text, limits)?;
    parser(tokens, limits)
        .parse_statements()
        .map_err(|error| syntax(error, limits))
}

/// Parses one expression and nothing after it.
pub(crate) fn expression(text: &str, limits: TextLimits) -> Result<Expr, TextError> {
    let tokens = tokens(text, limits)?;
    let mut parser = parser(tokens, limits);
    let parsed = parser.parse_expr().map_err(|error| syntax(error, limits))?;
    let next = parser.peek_token();
    if next.token == Token::EOF {
        Ok(parsed)
    } else {
        Err(TextError::Syntax {
            message: format!("unexpected {} after the expression", next.token),
            place: span(next.span),
        })
    }
}

fn parser(tokens: Vec<TokenWithSpan>, limits: TextLimits) -> Parser<'static> {
    // One level of brackets passes through several of the parser's own levels.
    Parser::new(&GenericDialect {})
        .with_recursion_limit(limits.depth.saturating_mul(4))
        .with_tokens_with_locations(tokens)
}

fn syntax(error: ParserError, limits: TextLimits) -> TextError {
    match error {
        ParserError::RecursionLimitExceeded => TextError::Depth {
            max: limits.depth,
            place: None,
        },
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            let place = trailing_place(&message);
            TextError::Syntax {
                message: message.chars().take(200).collect(),
                place,
            }
        }
    }
}

/// The parser puts ` at Line: 1, Column: 8` at the end of its message.
fn trailing_place(message: &str) -> Option<Span> {
    let (_, tail) = message.rsplit_once(" at Line: ")?;
    let (line, column) = tail.split_once(", Column: ")?;
    let line = line.trim().parse().ok()?;
    let column = column.trim().parse().ok()?;
    point(Location { line, column })
}

fn point(at: Location) -> Option<Span> {
    (at.line > 0).then_some(Span {
        line: at.line,
        column: at.column,
        end_line: at.line,
        end_column: at.column.saturating_add(1),
    })
}

/// A parser's span as a place; none where the parser has none.
pub(crate) fn span(span: datafusion::sql::sqlparser::tokenizer::Span) -> Option<Span> {
    (span.start.line > 0).then_some(Span {
        line: span.start.line,
        column: span.start.column,
        end_line: span.end.line,
        end_column: span.end.column,
    })
}

/// Runs a job that recurses over hostile input on a thread with a big stack. None when it panicked
/// or no thread could be had.
pub(crate) fn on_big_stack<T: Send>(job: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("review-plan".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || catch_unwind(AssertUnwindSafe(job)).ok())
            .ok()?
            .join()
            .ok()
            .flatten()
    })
}
