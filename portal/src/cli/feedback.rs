//! 反馈清单, as `egret dataset feedback` shows and answers it.

use super::failure::Failure;
use super::output::{Column, Format, column};
use super::remote::{Paging, Session};
use crate::http::dto::{FeedbackQuery, FeedbackState, FeedbackView};

/// Verbs of `egret dataset feedback`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Feedback {
    /// 反馈清单 · list what pushes ended with
    List {
        /// 只列出该状态的 · only those in this state
        #[arg(long, value_enum)]
        state: Option<StateName>,
        #[command(flatten)]
        paging: Paging,
    },
    /// 一项反馈：规则、数量、答复、关闭 · an item: rules, counts, answer, closing
    Show {
        /// 反馈标识 · identifier of the item
        id: String,
    },
    /// 由提供方答复 · answer for the provider
    Answer {
        /// 反馈标识 · identifier of the item
        id: String,
        /// 原因与处理办法 · what happened and what is done about it
        #[arg(long)]
        text: String,
    },
    /// 由运营方关闭并说明理由 · close as the operator, with a reason
    Close {
        /// 反馈标识 · identifier of the item
        id: String,
        /// 理由 · the reason
        #[arg(long)]
        reason: String,
    },
}

/// The states as words of the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum StateName {
    /// 待答复 · waits for the provider
    Open,
    /// 已答复 · answered
    Answered,
    /// 已关闭 · closed
    Closed,
}

impl From<StateName> for FeedbackState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Open => Self::Open,
            StateName::Answered => Self::Answered,
            StateName::Closed => Self::Closed,
        }
    }
}

const LIST: &[Column] = &[
    column("标识", "id", "/id"),
    column("数据集", "data set", "/dataset"),
    column("推送", "push", "/push"),
    column("推送结果", "became", "/push_state"),
    column("状态", "state", "/state"),
    column("问题", "problems", "/problems"),
    column("建立时间", "opened", "/created_at"),
];
const ITEM: &[Column] = &[
    column("标识", "id", "/id"),
    column("数据集", "data set", "/dataset"),
    column("推送", "push", "/push"),
    column("推送结果", "became", "/push_state"),
    column("状态", "state", "/state"),
    column("问题", "problems", "/problems"),
    column("建立时间", "opened", "/created_at"),
    column("答复", "answer", "/answer/text"),
    column("答复时间", "answered", "/answer/at"),
    column(
        "未能关闭的推送",
        "push that did not close it",
        "/attempt/push",
    ),
    column("其结果", "it became", "/attempt/push_state"),
    column("由推送关闭", "closed by push", "/closing/push"),
    column("关闭理由", "reason", "/closing/reason"),
    column("关闭时间", "closed", "/closing/at"),
];
const CAUSES: &[Column] = &[
    column("规则", "rule", "/rule"),
    column("数量", "count", "/count"),
    column("阻断", "blocking", "/blocking"),
];

impl Feedback {
    pub(super) async fn perform(self, session: &Session) -> Result<(), Failure> {
        let client = &session.client;
        match self {
            Self::List { state, paging } => {
                let page = paging.query();
                let query = FeedbackQuery {
                    state: state.map(Into::into),
                    limit: page.limit,
                    cursor: page.cursor,
                };
                session.printer.page(&client.feedback(&query).await?, LIST)
            }
            Self::Show { id } => show(session, &client.feedback_item(&id).await?),
            Self::Answer { id, text } => show(session, &client.answer_feedback(&id, &text).await?),
            Self::Close { id, reason } => {
                show(session, &client.close_feedback(&id, &reason).await?)
            }
        }
    }
}

fn show(session: &Session, item: &FeedbackView) -> Result<(), Failure> {
    let printer = &session.printer;
    printer.one(item, ITEM)?;
    if printer.format != Format::Table {
        return Ok(());
    }
    printer.rows(&item.causes, CAUSES)?;
    if let Some(attempt) = item
        .attempt
        .as_ref()
        .filter(|attempt| !attempt.remaining.is_empty())
    {
        let push = &attempt.push;
        printer.say(
            &format!("推送 {push} 之后仍有："),
            &format!("still there after push {push}:"),
        )?;
        printer.rows(&attempt.remaining, CAUSES)?;
    }
    let push = &item.push;
    printer.say(
        &format!("问题清单：egret dataset problems {push}"),
        &format!("its problem records: egret dataset problems {push}"),
    )
}
