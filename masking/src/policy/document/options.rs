//! The options of one table of a policy document; each is taken once, and what is left over is an
//! error.

use toml::{Table, Value};

use crate::classify::Class;
use crate::error::{Fault, PolicyError};
use crate::key::ValueDomain;
use crate::text::Bilingual;

/// Where options stand.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In the table of a column.
    Column(String),
    /// In another table, by its name.
    Section(String),
}

pub(super) struct Options {
    place: Place,
    table: Table,
}

pub(super) const CLASSES: &[(&str, Class)] = &[
    ("direct_identifier", Class::DirectIdentifier),
    ("quasi_identifier", Class::QuasiIdentifier),
    ("sensitive", Class::Sensitive),
    ("public", Class::Public),
];

impl Options {
    pub(super) fn new(place: Place, table: Table) -> Self {
        Self { place, table }
    }

    /// That every option was taken; `belongs` tells what they had to belong to, `known` what could
    /// be written.
    pub(super) fn finish(self, belongs: (&str, &str), known: &str) -> Result<(), PolicyError> {
        match self.table.keys().next() {
            None => Ok(()),
            Some(option) => Err(self.fault(
                "option_unknown",
                format!("选项 {option:?} 不属于{}", belongs.0),
                format!("option {option:?} does not belong to {}", belongs.1),
                known,
            )),
        }
    }

    pub(super) fn class(&mut self) -> Result<Option<Class>, PolicyError> {
        self.optional_choice("class", CLASSES)
    }

    pub(super) fn value_domain(&mut self) -> Result<Option<ValueDomain>, PolicyError> {
        let Some(name) = self.text("value_domain")? else {
            return Ok(None);
        };
        ValueDomain::parse(&name)
            .map(Some)
            .map_err(|fault| self.placed(fault))
    }

    pub(super) fn text(&mut self, option: &str) -> Result<Option<String>, PolicyError> {
        match self.table.remove(option) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.value(option, "\"…\"")),
        }
    }

    /// A list of texts; an empty one when it is not written.
    pub(super) fn texts(&mut self, option: &str) -> Result<Vec<String>, PolicyError> {
        let allowed = "[\"…\"]";
        let Some(value) = self.table.remove(option) else {
            return Ok(Vec::new());
        };
        let Value::Array(values) = value else {
            return Err(self.value(option, allowed));
        };
        values
            .into_iter()
            .map(|value| match value {
                Value::String(text) => Ok(text),
                _ => Err(self.value(option, allowed)),
            })
            .collect()
    }

    pub(super) fn flag(&mut self, option: &str) -> Result<Option<bool>, PolicyError> {
        match self.table.remove(option) {
            None => Ok(None),
            Some(Value::Boolean(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.value(option, "true, false")),
        }
    }

    pub(super) fn number(&mut self, option: &str) -> Result<Option<f64>, PolicyError> {
        let number = match self.table.remove(option) {
            None => return Ok(None),
            Some(Value::Float(number)) => Some(number),
            Some(Value::Integer(number)) => i32::try_from(number).ok().map(f64::from),
            Some(_) => None,
        };
        match number.filter(|number| number.is_finite() && number.abs() <= 1e15) {
            Some(number) => Ok(Some(number)),
            None => Err(self.value(option, "-1e15 … 1e15")),
        }
    }

    pub(super) fn positive(&mut self, option: &str) -> Result<f64, PolicyError> {
        match self.number(option)? {
            None => Err(self.missing(option, "10")),
            Some(number) if number >= 1e-9 => Ok(number),
            Some(_) => Err(self.value(option, "> 0")),
        }
    }

    /// A number that may be 0, which the compiler has more to say about.
    pub(super) fn not_negative(&mut self, option: &str, example: &str) -> Result<f64, PolicyError> {
        match self.number(option)? {
            None => Err(self.missing(option, example)),
            Some(number) if number >= 0.0 => Ok(number),
            Some(_) => Err(self.value(option, "≥ 0")),
        }
    }

    pub(super) fn whole(
        &mut self,
        option: &str,
        low: u32,
        high: u32,
    ) -> Result<Option<u32>, PolicyError> {
        match self.table.remove(option) {
            None => Ok(None),
            Some(Value::Integer(number)) => match u32::try_from(number) {
                Ok(number) if (low..=high).contains(&number) => Ok(Some(number)),
                _ => Err(self.value(option, &format!("{low} … {high}"))),
            },
            Some(_) => Err(self.value(option, &format!("{low} … {high}"))),
        }
    }

    pub(super) fn length(
        &mut self,
        option: &str,
        low: u32,
        high: u32,
    ) -> Result<Option<usize>, PolicyError> {
        let length = self.whole(option, low, high)?;
        Ok(length.and_then(|length| usize::try_from(length).ok()))
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        option: &str,
        choices: &[(&str, T)],
        otherwise: Option<T>,
    ) -> Result<T, PolicyError> {
        let names = choices
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", ");
        match self.text(option)? {
            None => otherwise.ok_or_else(|| self.missing(option, &names)),
            Some(text) => match choices.iter().find(|(name, _)| *name == text) {
                Some((_, choice)) => Ok(*choice),
                None => Err(self.value(option, &names)),
            },
        }
    }

    pub(super) fn optional_choice<T: Copy>(
        &mut self,
        option: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, PolicyError> {
        if !self.table.contains_key(option) {
            return Ok(None);
        }
        self.choice(option, choices, None).map(Some)
    }

    pub(super) fn missing(&self, option: &str, example: &str) -> PolicyError {
        self.fault(
            "option_missing",
            format!("缺少选项 {option}"),
            format!("lacks option {option}"),
            example,
        )
    }

    pub(super) fn value(&self, option: &str, allowed: &str) -> PolicyError {
        self.fault(
            "option_value",
            format!("选项 {option} 的值不合规"),
            format!("option {option} has a value that is not allowed"),
            allowed,
        )
    }

    pub(super) fn fault(&self, code: &str, zh: String, en: String, allowed: &str) -> PolicyError {
        self.placed(Fault::general(
            code,
            Bilingual::new(zh, en),
            Bilingual::new(format!("可写：{allowed}"), format!("write: {allowed}")),
        ))
    }

    /// The fault with its column, or with its section in the message.
    fn placed(&self, fault: Fault) -> PolicyError {
        match &self.place {
            Place::Column(column) => Fault {
                column: Some(column.clone()),
                ..fault
            },
            Place::Section(section) => Fault {
                message: Bilingual::new(
                    format!("[{section}] {}", fault.message.zh),
                    format!("[{section}] {}", fault.message.en),
                ),
                ..fault
            },
        }
    }
}
