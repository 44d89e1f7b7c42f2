//! The feedback list: opened by the end of a push, answered by its provider, closed by a better push.

use sandbox::{
    Error, ErrorKind, FeedbackState, FeedbackView, PageRequest, PushState, PushView, Role,
};
use serde_json::json;

use crate::world::{HEADER, World, policy, visit, visits};

impl World {
    async fn feedback(&self, state: Option<FeedbackState>) -> Vec<FeedbackView> {
        let page = PageRequest::default();
        let items = self.platform.feedback_items(&self.admin, state, page).await;
        items.unwrap().items
    }

    async fn pushed_to_close(&self, csv: &str, item: &FeedbackView) -> PushView {
        let manifest = json!({ "format": "csv", "closes": [item.id.to_string()] });
        let push = self.open_push(manifest).await.unwrap();
        self.send(push, csv.as_bytes()).await.unwrap();
        self.commit(push).await
    }
}

fn causes(item: &FeedbackView) -> Vec<(&str, u64, bool)> {
    item.causes
        .iter()
        .map(|cause| (cause.rule.as_str(), cause.count, cause.blocking))
        .collect()
}

/// A hundred good visits, two with a number that is none, and one twice.
fn faulty() -> String {
    let mut text = visits(0..100);
    for person in [200, 201] {
        text += &visit(person, "复诊").replacen("350203", "35020", 1);
    }
    text + &visit(7, "复诊")
}

#[tokio::test]
async fn a_version_with_problems_opens_an_item_and_a_push_free_of_them_closes_it() {
    let world = World::with_version().await;
    assert!(
        world.feedback(None).await.is_empty(),
        "a clean push opened an item"
    );
    let push = world.pushed(&faulty()).await;
    assert_eq!(push.state, PushState::Version, "{push:?}");
    let items = world.feedback(Some(FeedbackState::Open)).await;
    let [item] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!(
        (item.push, item.problems, item.push_state),
        (push.id, push.problems, push.state)
    );
    assert_eq!(
        causes(item),
        [("id-valid", 2, false), ("one-row", 1, false)]
    );

    // One of the two rules is broken again: the item stays, and says which.
    let half = world
        .pushed_to_close(&(visits(0..100) + &visit(7, "复诊")), item)
        .await;
    assert_eq!(half.state, PushState::Version);
    let stays = world
        .platform
        .feedback_item(&world.admin, item.id)
        .await
        .unwrap();
    let attempt = stays.attempt.clone().unwrap();
    assert_eq!((stays.state, attempt.push), (FeedbackState::Open, half.id));
    assert_eq!(attempt.remaining.len(), 1);
    assert_eq!(attempt.remaining[0].rule, "one-row");

    world.pass(1);
    // One that does not become a version closes nothing, however clean.
    let short = world.pushed_to_close(&visits(0..3), item).await;
    assert_eq!(short.state, PushState::Rejected);
    let stays = world
        .platform
        .feedback_item(&world.admin, item.id)
        .await
        .unwrap();
    let attempt = stays.attempt.unwrap();
    assert_eq!(
        (attempt.push_state, attempt.remaining.len()),
        (PushState::Rejected, 0)
    );

    let clean = world.pushed_to_close(&visits(0..100), item).await;
    let closed = world
        .platform
        .feedback_item(&world.admin, item.id)
        .await
        .unwrap();
    assert_eq!(closed.state, FeedbackState::Closed);
    assert_eq!(closed.closing.unwrap().push, Some(clean.id));
    let open = world.feedback(Some(FeedbackState::Open)).await;
    let about: Vec<_> = open.iter().map(|item| item.push).collect();
    assert_eq!(about, [short.id, half.id], "newest first");
    world.platform.close().await;
}

#[tokio::test]
async fn a_rejected_push_and_a_quarantined_one_are_told_as_well() {
    let world = World::new().await;
    let waiting = world.pushed(&visits(0..100)).await;
    assert_eq!(waiting.state, PushState::Quarantined);
    let items = world.feedback(None).await;
    assert_eq!(causes(&items[0]), [("policy_missing", 1, true)]);
    // Once the policy covers it, the same push is a version without problems.
    world.set_policy(&policy("keep")).await.unwrap();
    assert_eq!(world.commit(waiting.id).await.state, PushState::Version);
    let items = world.feedback(None).await;
    assert_eq!(items[0].state, FeedbackState::Closed);
    assert_eq!(items[0].closing.as_ref().unwrap().push, Some(waiting.id));

    let short = world.pushed(&visits(0..3)).await;
    world.pass(1);
    let ragged = world.pushed(&(visits(0..50) + "1,2\n")).await;
    assert_eq!(
        (short.state, ragged.state),
        (PushState::Rejected, PushState::Rejected)
    );
    let items = world.feedback(Some(FeedbackState::Open)).await;
    assert_eq!(causes(&items[0]), [("row_ragged", 1, true)]);
    assert_eq!(causes(&items[1]), [("enough", 1, true)]);
    world.platform.close().await;
}

#[tokio::test]
async fn the_provider_answers_and_nobody_else_and_the_operator_may_close() {
    let world = World::with_version().await;
    world.pushed(&faulty()).await;
    let item = world.feedback(None).await.remove(0);
    let delegate = world.delegate().await;
    let other = world
        .organisation("other-bureau", sandbox::OrganisationKind::Provider)
        .await;
    let stranger = world
        .account("other-delegate", other, Role::ProviderDelegate)
        .await;
    let platform = &world.platform;
    let kind = |done: Result<FeedbackView, Error>| done.unwrap_err().kind();
    let page = PageRequest::default;

    let own = platform
        .feedback_items(&delegate, None, page())
        .await
        .unwrap();
    assert_eq!(own.items.len(), 1);
    let others = platform
        .feedback_items(&stranger, None, page())
        .await
        .unwrap();
    assert!(others.items.is_empty());
    assert_eq!(
        kind(platform.feedback_item(&stranger, item.id).await),
        ErrorKind::NotFound
    );
    assert_eq!(
        kind(platform.answer_feedback(&stranger, item.id, "x").await),
        ErrorKind::NotFound
    );
    assert_eq!(
        kind(platform.answer_feedback(&world.admin, item.id, "x").await),
        ErrorKind::Denied
    );
    assert_eq!(
        kind(platform.close_feedback(&delegate, item.id, "x").await),
        ErrorKind::Denied
    );
    assert_eq!(
        kind(platform.answer_feedback(&delegate, item.id, " \n").await),
        ErrorKind::Invalid
    );
    let long = "长".repeat(2_000);
    assert_eq!(
        kind(platform.answer_feedback(&delegate, item.id, &long).await),
        ErrorKind::Invalid
    );

    let answered = platform
        .answer_feedback(&delegate, item.id, "源系统已更正")
        .await
        .unwrap();
    assert_eq!(answered.state, FeedbackState::Answered);
    let answered = platform
        .answer_feedback(&delegate, item.id, "下月重推")
        .await
        .unwrap();
    assert_eq!(answered.answer.unwrap().text, "下月重推");
    let closed = platform
        .close_feedback(&world.admin, item.id, "历史数据，不再更正")
        .await
        .unwrap();
    assert_eq!(closed.state, FeedbackState::Closed);
    assert_eq!(
        closed.closing.unwrap().reason.as_deref(),
        Some("历史数据，不再更正")
    );
    assert_eq!(
        kind(platform.answer_feedback(&delegate, item.id, "x").await),
        ErrorKind::Conflict
    );
    assert_eq!(
        kind(platform.close_feedback(&world.admin, item.id, "x").await),
        ErrorKind::Conflict
    );

    // A push names items that can be closed, and of its own data set.
    let manifest = |id: String| json!({ "format": "csv", "closes": [id] });
    let error = world
        .open_push(manifest(item.id.to_string()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "feedback_closed");
    let nobody = item.id.to_string().replace("fbk_0", "fbk_1");
    assert_eq!(
        world.open_push(manifest(nobody)).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let many = json!({ "format": "csv", "closes": vec![item.id.to_string(); 17] });
    assert_eq!(
        world.open_push(many).await.unwrap_err().code(),
        "closes_many"
    );
    world
        .register(crate::world::entry("other_visits", ""))
        .await
        .unwrap();
    world.pushed(&(HEADER.to_owned() + "1,2\n")).await;
    let open = world.feedback(Some(FeedbackState::Open)).await.remove(0);
    let manifest = serde_json::from_value(manifest(open.id.to_string())).unwrap();
    let error = platform
        .open_push(&world.admin, "other_visits", manifest)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "closes_other");
    world.platform.close().await;
}
